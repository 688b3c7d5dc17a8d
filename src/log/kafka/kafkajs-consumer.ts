import type kafkajs from 'kafkajs'
import type { Consumer, ConsumerConfig } from 'kafkajs'

export type Kafka = InstanceType<typeof kafkajs.Kafka>

const restartMs = 1_000

export interface LastingOptions {
  readonly kafka: Kafka
  /** Asked for each consumer that is made. */
  readonly config: () => ConsumerConfig
  /** Listens, subscribes and runs it; it is connected. */
  readonly begin: (consumer: Consumer) => Promise<void>
  /** It gave up, or could not be made anew; the next try follows. */
  readonly onTrouble: (error: unknown) => void
}

/**
 * A consumer that is made anew whenever it gives up. kafkajs would start the old one again, in whose group its own dead member
 * is still waited for.
 */
export class LastingConsumer {
  readonly #options: LastingOptions
  #current: Consumer | undefined
  #restart: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: LastingOptions) {
    this.#options = options
  }

  /** The one that reads now: what comes of an earlier one, or after the end, counts no more. */
  isCurrent(consumer: Consumer): boolean {
    return consumer === this.#current && !this.#isClosed
  }

  get current(): Consumer | undefined {
    return this.#current
  }

  /** One whose start fails is at its end: nobody has it, to close it. */
  async start(): Promise<void> {
    try {
      await this.#begin(this.#make())
    } catch (error) {
      await this.close()
      throw error
    }
  }

  #make(): Consumer {
    const { kafka, config, onTrouble } = this.#options
    const consumer = kafka.consumer({
      // The first group of a young cluster waits until its coordinator is there.
      retry: {
        ...{ initialRetryTime: 50, multiplier: 2, maxRetryTime: 1_000, retries: 10 },
        restartOnFailure: async () => false,
      },
      allowAutoTopicCreation: false,
      ...config(),
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!this.isCurrent(consumer)) return
      onTrouble(payload.error)
      this.#startLater()
    })
    this.#current = consumer
    return consumer
  }

  /** One that another has replaced meanwhile is no member of any group when it resolves or rejects. */
  async #begin(consumer: Consumer): Promise<void> {
    try {
      await consumer.connect()
      if (this.isCurrent(consumer)) await this.#options.begin(consumer)
    } catch (error) {
      await consumer.disconnect().catch(() => {})
      throw error
    }
    if (!this.isCurrent(consumer)) await consumer.disconnect().catch(() => {})
  }

  /** Gives the one that reads up, and makes it anew. */
  async again(): Promise<void> {
    const before = this.#current
    this.#current = undefined
    clearTimeout(this.#restart)
    await before?.disconnect().catch(() => {})
    if (!this.#isClosed && this.#current === undefined) this.#startNow()
  }

  #startLater(): void {
    clearTimeout(this.#restart)
    this.#restart = setTimeout(() => this.#startNow(), restartMs)
  }

  #startNow(): void {
    const consumer = this.#make()
    this.#begin(consumer).catch(error => {
      // One that was replaced has nobody to follow it but the one that did.
      if (!this.isCurrent(consumer)) return
      this.#options.onTrouble(error)
      this.#startLater()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#restart)
    await this.#current?.disconnect().catch(() => {})
  }
}
