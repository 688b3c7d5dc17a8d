import { Kafka, logLevel } from 'kafkajs'

/** A committed record of the ledger topic, as a plain kafkajs consumer is given it. */
export interface TopicRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: Buffer
  readonly signature: Buffer
}

const readMsMax = 120_000

export const plainKafka = (brokers: readonly string[]): Kafka =>
  new Kafka({
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    requestTimeout: 10_000,
    retry: { retries: 20, maxRetryTime: 1_000 },
  })

/**
 * Reads what is committed of a topic with a consumer that is new: from `from`, by partition, up to what was committed at the
 * call. Resolves with the offsets to go on from. Throws when the topic is shorter than it was, or can't be read in time.
 */
export async function readCommitted(
  brokers: readonly string[],
  topic: string,
  from: ReadonlyMap<number, number>,
  take: (record: TopicRecord) => void,
): Promise<Map<number, number>> {
  const kafka = plainKafka(brokers)
  const ends = await endsOf(kafka, topic)
  const at = new Map([...ends].map(([partition]) => [partition, from.get(partition) ?? 0]))
  for (const [partition, end] of ends) {
    const due = at.get(partition) ?? 0
    if (end < due) throw new Error(`${topic}/${partition} ends at ${end}, and was read up to ${due} before`)
  }
  const isRead = (): boolean => [...ends].every(([partition, end]) => (at.get(partition) ?? 0) >= end)
  if (isRead()) return at
  const consumer = kafka.consumer({ groupId: `checker-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 })
  let timer: NodeJS.Timeout | undefined
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${topic} could not be read in time: ${[...at]} of ${[...ends]}`)),
        readMsMax,
      )
      const { GROUP_JOIN, END_BATCH_PROCESS, CRASH } = consumer.events
      consumer.on(CRASH, ({ payload }) => reject(payload.error))
      consumer.on(GROUP_JOIN, () => {
        for (const [partition, next] of at) consumer.seek({ topic, partition, offset: String(next) })
      })
      consumer.on(END_BATCH_PROCESS, ({ payload: { partition, firstOffset, lastOffset } }) => {
        // A batch of markers alone reaches no `eachBatch`; one that was fetched before the seek does not count.
        const due = at.get(partition) ?? 0
        if (Number(firstOffset) <= due && Number(lastOffset) >= due) at.set(partition, Number(lastOffset) + 1)
        if (isRead()) resolve()
      })
      consumer
        .run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const { partition } = batch
            const due = at.get(partition) ?? 0
            const end = ends.get(partition) ?? 0
            if (Number(batch.firstOffset()) > due) return
            for (const { offset, key, value, headers } of batch.messages) {
              const own = Number(offset)
              if (own < due || own >= end) continue
              const signature = headers?.['sig']
              take({
                ...{ partition, offset: own, key: String(key), value: value ?? Buffer.alloc(0) },
                signature: Buffer.isBuffer(signature) ? signature : Buffer.alloc(0),
              })
            }
          },
        })
        .catch(reject)
    })
  } finally {
    clearTimeout(timer)
    await consumer.disconnect().catch(() => {})
  }
  return new Map([...at].map(([partition, next]) => [partition, Math.min(next, ends.get(partition) ?? next)]))
}

async function endsOf(kafka: Kafka, topic: string): Promise<Map<number, number>> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    // What kafkajs calls high here is the last stable offset.
    return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]))
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

/** Whether every partition of every topic has all its copies in step. */
export async function isInSync(brokers: readonly string[]): Promise<boolean> {
  const admin = plainKafka(brokers).admin()
  try {
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata()
    return topics.every(({ partitions }) => partitions.every(({ isr, replicas }) => isr.length === replicas.length))
  } catch {
    return false
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
