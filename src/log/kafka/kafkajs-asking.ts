import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import type { Kafka } from './kafkajs-consumer.ts'

/** What is asked over: an admin, or the cluster below it. */
interface Connection {
  connect(): Promise<void>
  disconnect(): Promise<void>
}

/** How long an answer is asked for again: by then a partition has another leader, or whoever asks has another way out. */
const askMsMax = 5_000
const againMs = 50

/** Asks over one connection, and over a new one after any error: kafkajs gives most questions up at the first one. */
export class Asking<T extends Connection> {
  readonly #make: () => T
  readonly #isFinal: (error: unknown) => boolean
  #connection: Promise<T> | undefined

  /** `isFinal` says of which errors another try would be of no use. */
  constructor(make: () => T, isFinal: (error: unknown) => boolean) {
    this.#make = make
    this.#isFinal = isFinal
  }

  async ask<A>(question: (connection: T) => Promise<A>): Promise<A> {
    for (const untilMs = performance.now() + askMsMax; ; await sleep(againMs)) {
      this.#connection ??= this.#connected()
      const connection = this.#connection
      try {
        return await question(await connection)
      } catch (error) {
        // What others ask over it is answered, or asked again.
        if (this.#connection === connection) this.#connection = undefined
        void connection.then(one => one.disconnect()).catch(() => {})
        if (this.#isFinal(error) || performance.now() > untilMs) throw error
      }
    }
  }

  async #connected(): Promise<T> {
    const connection = this.#make()
    try {
      await connection.connect()
      return connection
    } catch (error) {
      await connection.disconnect().catch(() => {})
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#connection?.then(one => one.disconnect()).catch(() => {})
  }
}

/**
 * A cluster that asks as readers of committed records do, or as those of all, of leaders as they are when it is asked. kafkajs
 * hands one to whoever assigns partitions, and to nobody else: its admin asks for the offsets of all partitions of a topic at
 * once, and so of all their leaders.
 */
export function clusterOf(kafka: Kafka, readUncommitted = false): Cluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'none',
    readUncommitted,
    // Milliseconds that leaders are believed in: whoever was one, and has not heard, would tell of an end that was.
    metadataMaxAge: 0,
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster
        return { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: 'none', metadata: none }) }
      },
    ],
  })
  if (found === undefined) throw new TypeError('kafkajs hands no cluster to assigners any more')
  return found
}

const none = Buffer.alloc(0)
