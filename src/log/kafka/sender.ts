import type { KafkaClient, KafkaProducer, NewRecord } from './client.ts'

/** Sends without a transaction, one after the other, with a producer made anew after each error. */
export class Sender {
  readonly #client: KafkaClient
  #producer: Promise<KafkaProducer> | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(client: KafkaClient) {
    this.#client = client
  }

  /** Appends records of one place; the offset of the first. Throws what the client throws: they may be there. */
  send(records: readonly NewRecord[]): Promise<number> {
    const turn = this.#turn.then(async () => {
      this.#producer ??= this.#client.producer()
      try {
        return await (await this.#producer).send(records)
      } catch (error) {
        await this.#drop()
        throw error
      }
    })
    this.#turn = turn.catch(() => {})
    return turn
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#drop()
  }

  async #drop(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.then(one => one.close()).catch(() => {})
  }
}
