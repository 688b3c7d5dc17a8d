import kafkajs, { type Admin, type EachBatchPayload, type Producer, type Transaction } from 'kafkajs'
import type { KafkaAccess } from './access.ts'
import {
  CommitUnknown,
  Fenced,
  type KafkaClient,
  type KafkaRecord,
  type KafkaWriter,
  type NewRecord,
  type NewTopic,
  NotCommitted,
  type TopicState,
} from './client.ts'
import { kafkajsAccess } from './kafkajs-access.ts'
import { refusalOf } from './kafkajs-refusal.ts'

const { ConfigResourceTypes, Kafka } = kafkajs

/**
 * The client over kafkajs 2.2.4, and the rules under which it loses nothing (it is no longer maintained):
 *
 * - one send outstanding a producer: with two, a lost answer makes the second one take the first one's number, and the
 *   broker drops it as a repeat;
 * - one transactional writer a partition, and no key of four zero bytes: its filter of aborted records is wrong otherwise;
 * - a new producer after any error of a transaction: the old one is stuck, or about to be;
 * - it sleeps `initialRetryTime` while the markers of the last transaction are written, so that time is short;
 * - an offset out of range is silently another one: the first offset of what is read is looked at.
 */
export async function kafkajsClient(access: KafkaAccess): Promise<KafkaClient> {
  const kafka = new Kafka({
    clientId: 'aep-ledger',
    ...kafkajsAccess(access),
    retry: { initialRetryTime: 3, factor: 0.2, multiplier: 2, maxRetryTime: 500, retries: 12 },
  })
  const admin = kafka.admin()
  await admin.connect().catch(error => {
    throw refusalOf(error, access) ?? error
  })
  return new KafkajsClient(kafka, admin)
}

/** Fewer bytes than a broker takes in one batch (`max.message.bytes`, 1,048,588 by default), headers included. */
const sendBytesMax = 900_000
const sendRecordsMax = 1_000
const transactionMsMax = 15_000
/** How long a fetch waits for more at the end of a topic, which is also how long a reader takes to end. */
const fetchMsMax = 100

class KafkajsClient implements KafkaClient {
  readonly #kafka: InstanceType<typeof Kafka>
  readonly #admin: Admin

  constructor(kafka: InstanceType<typeof Kafka>, admin: Admin) {
    this.#kafka = kafka
    this.#admin = admin
  }

  async topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    const there = new Set(await this.#admin.listTopics())
    const wanted = names.filter(name => there.has(name))
    if (wanted.length === 0) return new Map()
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: wanted })
    const { resources } = await this.#admin.describeConfigs({
      includeSynonyms: false,
      resources: wanted.map(name => ({ type: ConfigResourceTypes.TOPIC, name })),
    })
    const settingsOf = new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    )
    return new Map(
      topics.map(({ name, partitions }) => [
        name,
        {
          partitions: partitions.length,
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
          settings: settingsOf.get(name) ?? new Map(),
        },
      ]),
    )
  }

  async create(topics: readonly NewTopic[]): Promise<void> {
    await this.#admin.createTopics({
      waitForLeaders: true,
      topics: topics.map(({ name, replicas, settings }) => ({
        topic: name,
        numPartitions: 1,
        replicationFactor: replicas,
        configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
      })),
    })
  }

  async brokers(): Promise<number> {
    return (await this.#admin.describeCluster()).brokers.length
  }

  async bounds(topic: string): Promise<{ low: number; end: number }> {
    const [partition] = await this.#admin.fetchTopicOffsets(topic)
    if (partition === undefined) throw new Error(`The topic ${topic} has no partition.`)
    // What kafkajs calls high is the last stable offset.
    return { low: Number(partition.low), end: Number(partition.high) }
  }

  async *read(topic: string, from: number, end: number): AsyncGenerator<readonly KafkaRecord[]> {
    if (from >= end) return
    const reading = new Reading(this.#kafka, topic, from, end)
    try {
      yield* reading.batches()
    } finally {
      await reading.close()
    }
  }

  async writer(transactionalId: string): Promise<KafkaWriter> {
    const producer = this.#kafka.producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: transactionMsMax,
      allowAutoTopicCreation: false,
    })
    await producer.connect()
    // Sends InitProducerId alone, which fences the owner before and waits until its transaction has ended.
    await (await producer.transaction()).abort()
    return new KafkajsWriter(producer)
  }

  async close(): Promise<void> {
    await this.#admin.disconnect()
  }
}

class KafkajsWriter implements KafkaWriter {
  readonly #producer: Producer
  #isDead = false

  constructor(producer: Producer) {
    this.#producer = producer
  }

  async commit(records: readonly NewRecord[]): Promise<ReadonlyMap<string, number>> {
    if (this.#isDead) throw new NotCommitted('The writer met an error before.')
    this.#isDead = true
    const transaction = await this.#producer.transaction().catch(error => {
      throw isFenced(error)
        ? new Fenced(String(error), { cause: error })
        : new NotCommitted(String(error), { cause: error })
    })
    const ends = await this.#send(transaction, records)
    try {
      await transaction.commit()
    } catch (error) {
      // A commit that is refused as fenced may have been taken before, and its answer lost.
      throw new CommitUnknown(isFenced(error), error)
    }
    this.#isDead = false
    return ends
  }

  async #send(transaction: Transaction, records: readonly NewRecord[]): Promise<ReadonlyMap<string, number>> {
    const ends = new Map<string, number>()
    try {
      for (const { topic, chunk } of chunksOf(records)) {
        const [sent] = await transaction.send({
          topic,
          acks: -1,
          messages: chunk.map(({ key, value, headers }) => ({
            partition: 0,
            key,
            value: Buffer.from(value),
            headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, Buffer.from(bytes)])),
          })),
        })
        ends.set(topic, Number(sent?.baseOffset ?? 0) + chunk.length)
      }
      return ends
    } catch (error) {
      await transaction.abort().catch(() => {})
      // Nobody but this producer could commit it, and this producer won't: whatever was sent is aborted, now or by a timeout.
      throw isFenced(error)
        ? new Fenced(String(error), { cause: error })
        : new NotCommitted(String(error), { cause: error })
    }
  }

  close(): Promise<void> {
    return this.#producer.disconnect()
  }
}

function* chunksOf(records: readonly NewRecord[]): Generator<{ topic: string; chunk: NewRecord[] }> {
  let chunk: NewRecord[] = []
  let bytes = 0
  for (const record of records) {
    const [first] = chunk
    const size = sizeOf(record)
    const full = chunk.length === sendRecordsMax || bytes + size > sendBytesMax
    if (first !== undefined && (full || first.topic !== record.topic)) {
      yield { topic: first.topic, chunk }
      chunk = []
      bytes = 0
    }
    chunk.push(record)
    bytes += size
  }
  const [first] = chunk
  if (first !== undefined) yield { topic: first.topic, chunk }
}

const sizeOf = ({ key, value, headers }: NewRecord): number =>
  Object.values(headers).reduce((sum, bytes) => sum + bytes.length + 16, key.length + value.length + 32)

const isFenced = (error: unknown): boolean => {
  const { type = '' } = error as { readonly type?: string }
  return ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'].includes(type)
}

/** One pass over a topic, in a group that nobody else is in and that commits nothing. */
class Reading {
  readonly #consumer
  readonly #topic: string
  readonly #end: number
  /** Offset that is read next: where a reader that had to join again goes on. */
  #next: number
  #crashes = 0
  #ready: KafkaRecord[][] = []
  #done = false
  #error: unknown
  #wake: () => void = () => {}

  constructor(kafka: InstanceType<typeof Kafka>, topic: string, from: number, end: number) {
    this.#topic = topic
    this.#next = from
    this.#end = end
    this.#consumer = kafka.consumer({
      groupId: `aep-ledger-reader-${crypto.randomUUID()}`,
      maxWaitTimeInMs: fetchMsMax,
      maxBytesPerPartition: 8 << 20,
      sessionTimeout: 6_000,
      // The first group of a young cluster waits until its coordinator is there.
      retry: { initialRetryTime: 50, multiplier: 2, maxRetryTime: 1_000, retries: 30 },
      heartbeatInterval: 500,
      allowAutoTopicCreation: false,
    })
  }

  async *batches(): AsyncGenerator<readonly KafkaRecord[]> {
    const { GROUP_JOIN, END_BATCH_PROCESS, CRASH } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, () =>
      this.#consumer.seek({ topic: this.#topic, partition: 0, offset: String(this.#next) }),
    )
    // Batches of markers alone never reach `eachBatch`: this tells of them, too.
    this.#consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      if (Number(payload.lastOffset) >= this.#end - 1) this.#finish()
    })
    this.#consumer.on(CRASH, ({ payload }) => {
      this.#crashes += 1
      if (!payload.restart || this.#crashes > crashesMax) this.#finish(payload.error)
    })
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true })
    await this.#consumer.run({ autoCommit: false, eachBatch: payload => this.#take(payload) })
    for (;;) {
      const [batch] = this.#ready.splice(0, 1)
      if (batch !== undefined) yield batch
      else if (this.#error !== undefined) throw this.#error
      else if (this.#done) return
      else await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  async #take({ batch }: EachBatchPayload): Promise<void> {
    const records: KafkaRecord[] = []
    for (const { offset, key, value, headers } of batch.messages) {
      const at = Number(offset)
      if (at < this.#next || at >= this.#end) continue
      this.#next = at + 1
      records.push({ offset: at, key: String(key), value: value ?? new Uint8Array(), headers: bytesOf(headers) })
    }
    if (records.length > 0 && !this.#done) this.#ready.push(records)
    this.#wake()
    // What is not taken yet bounds what is fetched.
    while (this.#ready.length > batchesMax && !this.#done) await new Promise(resolve => setTimeout(resolve, 5))
  }

  #finish(error?: unknown): void {
    this.#error ??= error
    this.#done = true
    this.#wake()
  }

  async close(): Promise<void> {
    this.#done = true
    await this.#consumer.disconnect()
  }
}

/** Batches that wait to be taken. */
const batchesMax = 4
/** How often a reader begins again by itself before it gives up. */
const crashesMax = 5

const bytesOf = (headers: EachBatchPayload['batch']['messages'][number]['headers']): Record<string, Uint8Array> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).flatMap(([name, value]) =>
      Buffer.isBuffer(value) ? [[name, new Uint8Array(value)]] : [],
    ),
  )
