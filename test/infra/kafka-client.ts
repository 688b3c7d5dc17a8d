import { type Admin, Kafka, logLevel } from 'kafkajs'

/** The few things that a test does with a broker, each with a client of its own. */
export class Client {
  readonly #brokers: string[]
  readonly #retries: number

  /** By default it has patience for a leader's death on a busy machine. */
  constructor(bootstrap: readonly string[], retries = 20) {
    this.#brokers = [...bootstrap]
    this.#retries = retries
  }

  #kafka(): Kafka {
    const retry = { retries: this.#retries, maxRetryTime: 1_000 }
    return new Kafka({ brokers: this.#brokers, logLevel: logLevel.NOTHING, retry })
  }

  async asAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka().admin()
    await admin.connect()
    try {
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  }

  /** Makes a topic of one partition; the cluster says how often it is kept. */
  async create(topic: string): Promise<void> {
    await this.asAdmin(admin => admin.createTopics({ waitForLeaders: true, topics: [{ topic }] }))
  }

  async send(topic: string, value: string): Promise<void> {
    const producer = this.#kafka().producer()
    await producer.connect()
    await producer.send({ topic, acks: -1, messages: [{ value }] })
    await producer.disconnect()
  }

  /** The first `count` records of the topic. */
  async read(topic: string, count: number): Promise<string[]> {
    const consumer = this.#kafka().consumer({ groupId: `reader-${Math.random()}`, maxWaitTimeInMs: 100 })
    const found: string[] = []
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
        found.push(String(message.value))
        if (found.length === count) resolve()
      }
      consumer.run({ eachMessage }).catch(reject)
    })
    await consumer.disconnect()
    return found
  }
}
