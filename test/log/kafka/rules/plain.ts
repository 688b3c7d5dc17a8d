import kafkajs, { type Admin, type Producer, type ProducerConfig, type Transaction } from 'kafkajs'

const { Kafka, logLevel } = kafkajs

/**
 * kafkajs as its own documentation says to use it, without a rule of ours. The day that one of these tests fails, it has
 * been mended, and a rule can go.
 */
export class Plain {
  readonly #kafka: InstanceType<typeof Kafka>
  readonly #open: { disconnect(): Promise<void> }[] = []

  constructor(brokers: readonly string[]) {
    this.#kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  }

  async producer(config: ProducerConfig = {}): Promise<Producer> {
    const producer = this.#kafka.producer({ allowAutoTopicCreation: false, ...config })
    await producer.connect()
    this.#open.push(producer)
    return producer
  }

  transactional(transactionalId: string): Promise<Producer> {
    return this.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  }

  async admin(): Promise<Admin> {
    const admin = this.#kafka.admin()
    await admin.connect()
    this.#open.push(admin)
    return admin
  }

  /** A topic of one partition, on the brokers named; without them wherever it comes to be. */
  async create(topic: string, brokers?: number[]): Promise<void> {
    const admin = await this.admin()
    const placed = brokers && {
      replicaAssignment: [{ partition: 0, replicas: brokers }],
      configEntries: [{ name: 'min.insync.replicas', value: '1' }],
    }
    await admin.createTopics({ waitForLeaders: false, topics: [{ topic, ...placed }] })
    // Whoever asks for the leaders too soon is refused, and `waitForLeaders` asks but once.
    while (!(await admin.listTopics()).includes(topic)) await new Promise(resolve => setTimeout(resolve, 10))
  }

  /** Moves partition 0 to another broker, which leads it when this resolves, and those that follow it are in sync. */
  async move(topic: string, broker: number, followers: readonly number[] = []): Promise<void> {
    const admin = await this.admin()
    const found = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions[0]
    const assign = (replicas: number[]) =>
      admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition: 0, replicas }] }] })
    const wait = () => new Promise(resolve => setTimeout(resolve, 20))
    await assign([broker])
    while ((await found())?.leader !== broker) await wait()
    if (followers.length === 0) return
    await assign([broker, ...followers])
    while ((await found())?.isr.length !== 1 + followers.length) await wait()
  }

  /** Where partition 0 of each topic ends. */
  async ends(topics: readonly string[]): Promise<number[]> {
    const admin = await this.admin()
    return Promise.all(topics.map(async topic => Number((await admin.fetchTopicOffsets(topic))[0]?.high)))
  }

  /** Lets the records below `offset` go. */
  async deleteBelow(topic: string, offset: number): Promise<void> {
    const admin = await this.admin()
    // Without it kafkajs knows no leader of the topic.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
  }

  /** Resolves when the transactions of an id have ended, with their markers. */
  async ended(transactionalId: string): Promise<void> {
    const producer = await this.transactional(transactionalId)
    await (await producer.transaction()).abort()
  }

  /**
   * What a reader of committed records is given of partition 0, up to the offset where it is to end, once it does: records
   * and markers have one each.
   */
  async committed(topic: string, end: number, from = 0): Promise<string[]> {
    const admin = await this.admin()
    while (Number((await admin.fetchTopicOffsets(topic))[0]?.high) < end)
      await new Promise(resolve => setTimeout(resolve, 5))
    const consumer = this.#kafka.consumer({ groupId: `plain-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 })
    await consumer.connect()
    this.#open.push(consumer)
    await consumer.subscribe({ topic, fromBeginning: true })
    const { GROUP_JOIN, END_BATCH_PROCESS } = consumer.events
    consumer.on(GROUP_JOIN, () => consumer.seek({ topic, partition: 0, offset: String(from) }))
    const found: string[] = []
    const read = new Promise<void>(resolve =>
      consumer.on(END_BATCH_PROCESS, ({ payload }) => {
        if (Number(payload.lastOffset) >= end - 1) resolve()
      }),
    )
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => void found.push(String(message.value)),
    })
    await read
    return found
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(one => one.disconnect().catch(() => {})))
  }
}

/** Sends values to partition 0, all under one key. */
export const send = (
  to: Producer | Transaction,
  topic: string,
  values: readonly string[],
  key: string | Buffer = 'key',
) => to.send({ topic, acks: -1, messages: values.map(value => ({ partition: 0, key, value })) })
