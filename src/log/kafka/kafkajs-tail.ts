import kafkajs, { type Consumer, type EachBatchPayload } from 'kafkajs'
import { utf8 } from '../../base/bytes.ts'
import {
  type Bounds,
  type KafkaRecord,
  type KafkaTail,
  type Place,
  placeText,
  type TailOptions,
  Undecodable,
} from './client.ts'
import { BatchFault, decodeApart } from './kafkajs-codecs.ts'
import { type Kafka, LastingConsumer } from './kafkajs-consumer.ts'

const { AssignerProtocol } = kafkajs

/** How long a fetch waits for more, which is also how long a place that goes on again may wait for its turn. */
const fetchMsMax = 100
/** Bytes of a place that were fetched and not taken: with more of them, it is not fetched further for the time being. */
const heldBytesMax = 16 << 20

/** What stands between fetching a place and handing its records over. */
interface Followed {
  readonly place: Place
  /** Offset that is fetched next: where a consumer that had to join again goes on. */
  next: number
  isPaused: boolean
  readonly isPassedOver: boolean
  /** Fetched faster than it is taken. */
  isHeld: boolean
  bytes: number
  /** Counts the times that it was begun anew: what was fetched before is not handed over. */
  turn: number
  taking: Promise<void>
}

/**
 * A consumer in a group of its own, which nobody else is in and which commits nothing. Its assignment is all of its places:
 * kafkajs can't read without a group. It handles a batch by queueing it, so that no place holds another up.
 */
export class Tail implements KafkaTail {
  readonly #options: TailOptions
  readonly #boundsOf: (place: Place) => Promise<Bounds>
  readonly #followed: ReadonlyMap<string, Followed>
  readonly #lasting: LastingConsumer
  #isJoined = false
  #isClosed = false

  /** `boundsOf` and `readUncommitted` tell of the same records: those that are committed, or all. */
  constructor(
    kafka: Kafka,
    options: TailOptions,
    boundsOf: (place: Place) => Promise<Bounds>,
    readUncommitted: boolean,
  ) {
    this.#options = options
    this.#boundsOf = boundsOf
    const begun = { isHeld: false, bytes: 0, turn: 0, taking: Promise.resolve() }
    this.#followed = new Map(
      options.places.map(({ topic, partition, from, isPaused = false, isPassedOver = false }) => [
        placeText({ topic, partition }),
        { place: { topic, partition }, next: from, isPaused, isPassedOver, ...begun },
      ]),
    )
    this.#lasting = new LastingConsumer({
      kafka,
      config: () => ({
        groupId: `aep-ledger-reader-${crypto.randomUUID()}`,
        partitionAssigners: [
          ({ cluster }) => {
            decodeApart(cluster, (...fault) => this.#undecodable(...fault))
            return wholly(options.places)
          },
        ],
        readUncommitted,
        maxWaitTimeInMs: fetchMsMax,
        maxBytesPerPartition: 4 << 20,
        maxBytes: 16 << 20,
        sessionTimeout: 30_000,
        heartbeatInterval: 3_000,
      }),
      begin: consumer => this.#begin(consumer),
      onTrouble: error => {
        this.#isJoined = false
        options.onTrouble(error)
      },
    })
  }

  start(): Promise<void> {
    return this.#lasting.start()
  }

  async #begin(consumer: Consumer): Promise<void> {
    const { GROUP_JOIN, END_BATCH_PROCESS } = consumer.events
    consumer.on(GROUP_JOIN, () => this.#joined(consumer))
    // Batches of nothing but markers and what was aborted reach no `eachBatch`: this tells how far they went.
    consumer.on(END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.#pass(payload)
    })
    await consumer.subscribe({
      topics: [...new Set(this.#options.places.map(({ topic }) => topic))],
      fromBeginning: true,
    })
    await consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => this.#eachBatch(batch) })
  }

  #joined(consumer: Consumer): void {
    if (!this.#lasting.isCurrent(consumer)) return
    this.#isJoined = true
    for (const followed of this.#followed.values()) this.#apply(followed, followed.next)
    this.#options.onTrouble(undefined)
  }

  /** Tells the consumer how a place stands, and where it goes on if it is told so. */
  #apply({ place: { topic, partition }, isPaused, isHeld }: Followed, seek?: number): void {
    const consumer = this.#lasting.current
    if (consumer === undefined || !this.#isJoined) return
    try {
      if (seek !== undefined) consumer.seek({ topic, partition, offset: String(seek) })
      if (isPaused || isHeld) consumer.pause([{ topic, partitions: [partition] }])
      else consumer.resume([{ topic, partitions: [partition] }])
    } catch {
      // It has crashed, and has not said so yet: the next one is told all of it when it has joined.
    }
  }

  #eachBatch(batch: EachBatchPayload['batch']): void {
    const { topic, partition } = batch
    const followed = this.#followed.get(placeText({ topic, partition }))
    if (followed === undefined || followed.isPaused) return
    const { fetchedOffset } = batch as { readonly fetchedOffset?: string | number }
    if (fetchedOffset !== undefined && Number(fetchedOffset) !== followed.next) {
      this.#elsewhere(followed)
      return
    }
    const records: KafkaRecord[] = []
    for (const { offset, key, value, headers, timestamp } of batch.messages) {
      const at = Number(offset)
      if (at < followed.next) continue
      records.push({
        offset: at,
        key: String(key ?? ''),
        value: value ?? new Uint8Array(),
        ...(value === null && { isTombstone: true }),
        headers: bytesOf(headers),
        timestampMs: Number(timestamp),
      })
    }
    this.#take(batch, Number(batch.lastOffset()) + 1, records)
  }

  /** A batch of nothing to hand over. It doesn't say where it was fetched, so a gap before it is looked at. */
  #pass(batch: { topic: string; partition: number; firstOffset: string; lastOffset: string }): void {
    const followed = this.#followed.get(placeText(batch))
    if (followed === undefined || followed.isPaused) return
    const pass = (): void => this.#take(batch, Number(batch.lastOffset) + 1, [])
    const { next, turn } = followed
    if (Number(batch.firstOffset) <= next) {
      pass()
      return
    }
    this.#boundsOf(followed.place).then(
      ({ low, end }) => {
        if (followed.turn !== turn || followed.next !== next) return
        if (next < low || next > end) this.#stop(followed, new OutOfRange(followed.place, next, low, end))
        else pass()
      },
      () => this.#apply(followed, next),
    )
  }

  /** It was fetched from another offset than was asked for: that one is out of range, or the consumer forgot it. */
  #elsewhere(followed: Followed): void {
    const { place, next, turn } = followed
    this.#apply(followed, next)
    this.#boundsOf(place).then(
      ({ low, end }) => {
        if (followed.turn === turn && (next < low || next > end))
          this.#stop(followed, new OutOfRange(place, next, low, end))
      },
      () => {},
    )
  }

  #undecodable(place: Place, from: number, error: unknown): void {
    const followed = this.#followed.get(placeText(place))
    if (followed === undefined || followed.isPaused || followed.next !== from) return
    const why = new Undecodable(place, from, error)
    const last = error instanceof BatchFault ? error.last : undefined
    if (!followed.isPassedOver || last === undefined) {
      this.#stop(followed, why)
      return
    }
    this.#take(place, last + 1, [{ offset: last, key: '', value: utf8(why.message), headers: {}, timestampMs: 0 }])
    this.#apply(followed, followed.next)
  }

  #take(place: Place, next: number, records: readonly KafkaRecord[]): void {
    const followed = this.#followed.get(placeText(place))
    if (followed === undefined || followed.isPaused || next <= followed.next) return
    followed.next = next
    const { turn } = followed
    const bytes = records.reduce((sum, { value }) => sum + value.length + 256, 0)
    followed.bytes += bytes
    if (!followed.isHeld && followed.bytes > heldBytesMax) {
      followed.isHeld = true
      this.#apply(followed)
    }
    followed.taking = followed.taking.then(async () => {
      try {
        if (followed.turn === turn && !this.#isClosed) await this.#options.take(followed.place, records, next)
      } catch (error) {
        if (followed.turn === turn) this.#stop(followed, error)
      } finally {
        followed.bytes -= bytes
        if (followed.isHeld && followed.bytes < heldBytesMax / 2) {
          followed.isHeld = false
          this.#apply(followed, followed.next)
        }
      }
    })
  }

  #stop(followed: Followed, error: unknown): void {
    this.pause(followed.place)
    this.#options.onStopped(followed.place, error)
  }

  pause(place: Place): void {
    const followed = this.#of(place)
    followed.isPaused = true
    followed.turn += 1
    this.#apply(followed)
  }

  resume(place: Place, from: number): void {
    const followed = this.#of(place)
    followed.isPaused = false
    followed.turn += 1
    followed.next = from
    this.#apply(followed, from)
  }

  #of(place: Place): Followed {
    const followed = this.#followed.get(placeText(place))
    if (followed === undefined) throw new RangeError(`${placeText(place)} is not followed.`)
    return followed
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#lasting.close()
    await Promise.all([...this.#followed.values()].map(({ taking }) => taking))
  }
}

/** Records that were to be read are not there. */
export class OutOfRange extends Error {
  constructor(place: Place, next: number, low: number, end: number) {
    super(`${placeText(place)} was to be read from offset ${next} on, and holds ${low} to ${end}.`)
    this.name = 'OutOfRange'
  }
}

/** The assigner of a group of one, which gets exactly its places. */
function wholly(places: readonly Place[]) {
  const assignment: Record<string, number[]> = {}
  for (const { topic, partition } of places) {
    const partitions = assignment[topic] ?? []
    partitions.push(partition)
    assignment[topic] = partitions
  }
  const { MemberAssignment, MemberMetadata } = AssignerProtocol
  const userData = Buffer.alloc(0)
  return {
    name: 'aep-ledger-whole',
    version: 0,
    assign: async ({ members }: { members: { memberId: string }[] }) =>
      members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({ version: 0, assignment, userData }),
      })),
    protocol: ({ topics }: { topics: string[] }) => ({
      name: 'aep-ledger-whole',
      metadata: MemberMetadata.encode({ version: 0, topics, userData }),
    }),
  }
}

const bytesOf = (headers: EachBatchPayload['batch']['messages'][number]['headers']): Record<string, Uint8Array> => {
  const bytes: Record<string, Uint8Array> = {}
  for (const name in headers) {
    const value = headers[name]
    if (Buffer.isBuffer(value)) bytes[name] = value
  }
  return bytes
}
