import type { Message, Producer, RecordMetadata, Transaction } from 'kafkajs'
import {
  CommitUnknown,
  Fenced,
  type KafkaProducer,
  type KafkaWriter,
  type NewRecord,
  NotCommitted,
  placeText,
  SendUnknown,
  sendBytesMax,
  sendRecordsMax,
  sizeOf,
} from './client.ts'
import type { Kafka } from './kafkajs-consumer.ts'
import type { Sockets } from './kafkajs-socket.ts'

const transactionMsMax = 15_000
/**
 * How long Kafka may take over one of these calls, all tries of kafkajs included. It has hung for minutes where one connection
 * was silent for seconds; what is given up after so long is in doubt, and doubt has its own way out.
 */
const answerMsMax = 12_000
const endMsMax = 1_000
/** How long a producer goes on asking brokers that the others may have given up: as long as it believes that they are there. */
const metadataMsMax = 5_000

/** Takes `transactionalId` over, by a client of its own over `sockets`. */
export async function startWriter(kafka: Kafka, sockets: Sockets, transactionalId: string): Promise<KafkaWriter> {
  const producer = kafka.producer({
    transactionalId,
    maxInFlightRequests: 1,
    transactionTimeout: transactionMsMax,
    metadataMaxAge: metadataMsMax,
    allowAutoTopicCreation: false,
  })
  return started(producer, async () => {
    // Sends InitProducerId alone, which fences the owner before and waits until its transaction has ended.
    await (await producer.transaction()).abort()
    sockets.begin()
    return new Writer(producer, sockets)
  })
}

export async function startProducer(kafka: Kafka): Promise<KafkaProducer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    metadataMaxAge: metadataMsMax,
    allowAutoTopicCreation: false,
  })
  return started(producer, async () => new PlainProducer(producer))
}

async function started<T>(producer: Producer, start: () => Promise<T>): Promise<T> {
  let isGivenUp = false
  const connected = producer.connect().then(async () => {
    if (!isGivenUp) return start()
    // A take-over that came now would fence whoever took over since.
    await ended(producer)
    throw new Error('It was given up before it was connected.')
  })
  try {
    return await within(answerMsMax, connected, error => error)
  } catch (error) {
    isGivenUp = true
    void ended(producer)
    throw error
  }
}

class Writer implements KafkaWriter {
  readonly #producer: Producer
  readonly #sockets: Sockets
  #isDead = false

  constructor(producer: Producer, sockets: Sockets) {
    this.#producer = producer
    this.#sockets = sockets
  }

  get isWorn(): boolean {
    return this.#sockets.isAnyLost
  }

  commit(records: readonly NewRecord[], from?: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    if (this.#isDead) return Promise.reject(new NotCommitted('The writer met an error before.'))
    this.#isDead = true
    return within(answerMsMax, this.#commit(records, from), error => new CommitUnknown(false, error))
  }

  async #commit(
    records: readonly NewRecord[],
    from: ReadonlyMap<string, number> = new Map(),
  ): Promise<ReadonlyMap<string, number>> {
    const transaction = await this.#producer.transaction().catch(error => {
      throw notCommitted(error)
    })
    const ends = await this.#send(transaction, records, from)
    try {
      await transaction.commit()
    } catch (error) {
      // A commit that is refused as fenced may have been taken before, and its answer lost.
      throw new CommitUnknown(isFenced(error), error)
    }
    this.#isDead = false
    return ends
  }

  async #send(
    transaction: Transaction,
    records: readonly NewRecord[],
    from: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>> {
    const ends = new Map<string, number>()
    try {
      for (const round of roundsOf(records)) {
        const sends = round.map(async ([first, ...more]) => {
          const { topic, partition } = first
          const messages = [first, ...more].map(messageOf)
          const sent = await transaction.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] })
          const place = placeText(first)
          const at = firstOffset(sent, topic, partition)
          const due = ends.get(place) ?? from.get(place) ?? at
          if (at !== due) throw new Error(`${place} goes on at offset ${at}, and not at ${due}.`)
          ends.set(place, at + 1 + more.length)
        })
        // Nothing of it may be on its way any more when the transaction ends, one way or the other.
        await Promise.allSettled(sends)
        await Promise.all(sends)
      }
      return ends
    } catch (error) {
      await transaction.abort().catch(() => {})
      // Nobody but this producer could commit it, and this producer won't: whatever was sent is aborted, now or by a timeout.
      throw notCommitted(error)
    }
  }

  close(): Promise<void> {
    return ended(this.#producer)
  }
}

class PlainProducer implements KafkaProducer {
  readonly #producer: Producer
  #isDead = false

  constructor(producer: Producer) {
    this.#producer = producer
  }

  async send(records: readonly NewRecord[]): Promise<number> {
    const [first] = records
    if (first === undefined) throw new RangeError('There is nothing to send.')
    if (this.#isDead) throw new SendUnknown('The producer met an error before.')
    this.#isDead = true
    const { topic, partition } = first
    const sending = this.#producer.send({ topic, acks: -1, messages: records.map(messageOf) })
    const sent = await within(answerMsMax, sending, error => error).catch(error => {
      throw new SendUnknown(String(error), { cause: error })
    })
    this.#isDead = false
    return firstOffset(sent, topic, partition)
  }

  close(): Promise<void> {
    return ended(this.#producer)
  }
}

/** What `work` gives, or what `late` makes of its being late; nobody waits for it any more then. */
async function within<T>(msMax: number, work: Promise<T>, late: (error: Error) => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late(new Error(`Kafka gave no answer within ${msMax / 1000} s.`))), msMax)
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

/** A producer that is let go: it waits for its requests under way, and nobody for it. */
const ended = (producer: Producer): Promise<void> =>
  within(endMsMax, producer.disconnect(), error => error).catch(() => {})

type Chunk = [NewRecord, ...NewRecord[]]

/**
 * Records as rounds of requests, one for a chunk of a place, which Kafka takes as one batch. Those of a place stay in their
 * order, for a round is sent when the one before was answered.
 */
function roundsOf(records: readonly NewRecord[]): Chunk[][] {
  const rounds: Chunk[][] = []
  const places = new Map<string, { round: number; bytes: number; chunk: Chunk }>()
  for (const record of records) {
    const place = placeText(record)
    const size = sizeOf(record)
    const open = places.get(place)
    if (open !== undefined && open.chunk.length < sendRecordsMax && open.bytes + size <= sendBytesMax) {
      open.chunk.push(record)
      open.bytes += size
      continue
    }
    const next = { round: (open?.round ?? -1) + 1, bytes: size, chunk: [record] as Chunk }
    places.set(place, next)
    const round = rounds[next.round]
    if (round === undefined) rounds.push([next.chunk])
    else round.push(next.chunk)
  }
  return rounds
}

/** kafkajs knows the marker of an aborted transaction by its key alone, whoever wrote the record. */
const markerKey = '\0\0\0\0'

function messageOf({ partition, key, value, isTombstone, headers }: NewRecord): Message {
  if (key === markerKey) throw new Error('A key of four zero bytes is refused: readers take it for an abort marker.')
  return {
    partition,
    key,
    value: isTombstone === true ? null : asBuffer(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, asBuffer(bytes)])),
  }
}

/** The same bytes, not a copy. */
const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

/**
 * Where the records of a place stand. Each place is sent to by a call of its own: where one call has several leaders and one
 * of them refuses, or loses its connection, kafkajs sends again to all that have not answered yet, what is on its way to them
 * twice, and without an error; and where a leader moves, a place is left out or sent twice.
 */
function firstOffset(sent: readonly RecordMetadata[], topic: string, partition: number): number {
  const [found, ...more] = sent.filter(one => one.topicName === topic && one.partition === partition)
  if (found?.baseOffset === undefined) throw new Error(`Kafka did not say where ${topic}/${partition} goes on.`)
  if (more.length > 0) throw new Error(`What was sent to ${topic}/${partition} stands there twice.`)
  return Number(found.baseOffset)
}

const notCommitted = (error: unknown): NotCommitted | Fenced =>
  isFenced(error) ? new Fenced(String(error), { cause: error }) : new NotCommitted(String(error), { cause: error })

export const isFenced = (error: unknown): boolean => {
  const { type = '' } = error as { readonly type?: string }
  return ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING'].includes(type)
}
