import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '../../base/bytes.ts'
import type { Head } from '../../ledger/entry.ts'
import { LogUnreadable, NotWritten, WriteUnknown } from '../port.ts'
import {
  type Bounds,
  CommitUnknown,
  Fenced,
  type KafkaClient,
  type KafkaTail,
  type KafkaWriter,
  type NewRecord,
  type Place,
  placeText,
} from './client.ts'
import type { Heads } from './heads.ts'
import { recordsOf, type Step, StepReader } from './records.ts'
import type { Replica } from './replica.ts'
import type { Topics } from './topics.ts'

export interface PartitionParts {
  readonly number: number
  readonly client: KafkaClient
  readonly tail: KafkaTail
  readonly replica: Replica
  readonly heads: Heads
  readonly topics: Topics
  readonly transactionalId: string
  /** The head of a ledger in the replica. */
  readonly headOf: (ledger: string) => Promise<Head | undefined>
  /** Leaf hash of an entry in the replica. */
  readonly leafOf: (ledger: string, seq: number) => Promise<string | undefined>
}

/**
 * The writing side of one partition of the ledger topic. Its owner takes the partition's transactional id over, which fences
 * whoever wrote before, and only then reads up to the end: nobody else can write behind what it has read. Whatever leaves
 * doubt ends the ownership; taking it over again is the one way back. Calls are made one after the other.
 */
export class Partition {
  readonly number: number
  readonly #parts: PartitionParts
  #writer: KafkaWriter | undefined
  /** Offset at which the next record of ours has to stand, if nobody else wrote. */
  #next = 0
  #isFenced = false

  constructor(parts: PartitionParts) {
    this.number = parts.number
    this.#parts = parts
  }

  get isOwned(): boolean {
    return this.#writer !== undefined
  }

  /** Whether another process took it over since this one last did. */
  get isFenced(): boolean {
    return this.#isFenced
  }

  /**
   * Takes the partition over, and resolves when everything that was committed is in the replica. Throws `LogUnreadable` for a
   * topic that was cut off or holds another history; what the client throws passes through, and the next call tries again.
   */
  async own(): Promise<void> {
    const { client, replica, tail, heads, transactionalId, topics, number } = this.#parts
    await this.release()
    this.#isFenced = false
    // A long topic is read while the owner before still writes.
    await this.#readHeads()
    let writer = await client.writer(transactionalId)
    try {
      const place = { topic: topics.ledger, partition: number }
      const hanging = await this.#hanging()
      if (hanging !== undefined) {
        await writer.close()
        await client.settle(transactionalId, [place, heads.place], hanging.isWhole)
        writer = await client.writer(transactionalId)
        if ((await this.#hanging()) !== undefined) throw held(place, hanging.from)
      }
      const end = await this.#catchUp()
      // What this process writes it keeps itself.
      tail.pause(place)
      await this.#checkHeads()
      this.#next = end
      this.#writer = writer
    } catch (error) {
      await writer.close().catch(() => {})
      replica.begin(number)
      tail.resume({ topic: topics.ledger, partition: number }, replica.position(number))
      throw error
    }
  }

  /**
   * What stands behind the last stable offset although nothing is under way: Kafka holds the transaction for ended, and has
   * lost its markers. A broker that is killed between answering a commit and writing them, and is started again while no
   * other has its partitions, does that. Whole steps may have been acknowledged, and are to stay; a part of one was not.
   */
  async #hanging(): Promise<{ readonly from: number; readonly isWhole: boolean } | undefined> {
    const { client, heads, topics, number } = this.#parts
    const place = { topic: topics.ledger, partition: number }
    const [{ high, end }, written] = await Promise.all([this.#shownOf(place), this.#shownOf(heads.place)])
    if (end >= high) return written.end >= written.high ? undefined : { from: end, isWhole: true }
    const reader = new StepReader()
    for await (const records of client.read(place, end, high, true)) for (const record of records) reader.take(record)
    return { from: end, isWhole: !reader.isOpen }
  }

  async #shownOf(place: Place): Promise<{ readonly high: number; readonly end: number }> {
    const { client } = this.#parts
    const high = await client.high(place)
    return { high, end: (await boundsFrom(high, () => client.bounds(place), markersMsMax)).end }
  }

  /** Reads up to the end without taking anything over; the offset of the end. */
  async #catchUp(): Promise<number> {
    const { client, replica, topics, number } = this.#parts
    const place = { topic: topics.ledger, partition: number }
    const position = replica.position(number)
    const { low, end } = await boundsFrom(position, () => client.bounds(place), shownMsMax)
    if (low > 0) throw lostBefore(place, low)
    if (end < position && (await client.high(place)) < position) {
      throw new LogUnreadable(
        `${placeText(place)} ends at offset ${end}, and was read up to ${position} before: records were cut off, or this is another cluster.`,
      )
    }
    await replica.reached(number, end)
    return end
  }

  /** Resolves when everything that is committed now is in the replica. */
  async current(): Promise<void> {
    if (this.#writer === undefined) await this.#catchUp()
  }

  /** Whether readers of committed records are shown all that is in the replica; waits for that, `patienceMs` at most. */
  async isShown(patienceMs: number): Promise<boolean> {
    const { client, replica, topics, number } = this.#parts
    const position = replica.position(number)
    const { end } = await boundsFrom(
      position,
      () => client.bounds({ topic: topics.ledger, partition: number }),
      patienceMs,
    )
    return end >= position
  }

  /**
   * Writes a step: one transaction. Throws `NotWritten`, or `WriteUnknown`; after either, but for a step that was refused
   * before anything was sent, the partition is owned no more.
   */
  async write(step: Step): Promise<void> {
    const { topics, replica, number } = this.#parts
    if (this.#writer?.isWorn === true) await this.#ownAgain(step)
    const writer = this.#writer
    if (writer === undefined)
      throw this.#isFenced ? elsewhere() : new NotWritten('failed', 'The partition is not owned.')
    const place = { topic: topics.ledger, partition: number }
    const records = recordsOf(place, step, this.#next)
    const from = new Map([[placeText(place), this.#next]])
    const ends = await writer.commit([...records, ...this.#headRecords(step)], from).catch(async error => {
      await this.release()
      throw this.#outcome(error)
    })
    const end = ends.get(placeText(place)) ?? 0
    try {
      await replica.keepOwn(number, step, end)
    } catch (error) {
      await this.release()
      throw new WriteUnknown('The batch is in Kafka, and could not be kept here.', error)
    }
    // Behind the marker of the commit.
    this.#next = end + 1
  }

  /** For a step that was made from what is in the replica: it is still the next one, or is refused. */
  async #ownAgain({ batches }: Step): Promise<void> {
    const { replica, number, headOf } = this.#parts
    const placed = replica.placed(number)
    try {
      await this.own()
    } catch (error) {
      throw new NotWritten(
        'failed',
        `A connection was lost, and the partition with it: ${(error as Error).message}`,
        error,
      )
    }
    for (const { ledger, after } of batches) {
      if (((await headOf(ledger))?.seq ?? -1) === after.seq && replica.placed(number) === placed) continue
      await this.release()
      throw new NotWritten('head-moved', `Somebody else has written ${ledger} meanwhile.`)
    }
  }

  /** Stops writing, without a word to anybody: the next owner takes it over, or this one again. */
  async release(): Promise<void> {
    const { tail, replica, topics, number } = this.#parts
    const writer = this.#writer
    this.#writer = undefined
    if (writer === undefined) return
    replica.begin(number)
    tail.resume({ topic: topics.ledger, partition: number }, replica.position(number))
    await writer.close().catch(() => {})
  }

  /** Heads as of the step, for whoever has to know that the ledger topic was not cut off. */
  #headRecords({ batches }: Step): NewRecord[] {
    const { topics, number } = this.#parts
    const newest = new Map(batches.map(({ ledger, head }) => [ledger, head]))
    return [...newest].map(([ledger, { seq, leafHash, recordedAt }]) => ({
      topic: topics.heads,
      partition: number,
      key: ledger,
      value: utf8(JSON.stringify({ seq, leaf_hash: leafHash, recorded_at: recordedAt })),
      headers: {},
    }))
  }

  /** Resolves when all heads that are committed now are known. */
  async #readHeads(): Promise<void> {
    const { client, tail, heads } = this.#parts
    const { low, end } = await client.bounds(heads.place)
    if (heads.isStopped) {
      heads.begin()
      tail.resume(heads.place, low)
    }
    await heads.reached(end)
  }

  /** Holds the heads that were written with the entries against the entries. */
  async #checkHeads(): Promise<void> {
    const { heads, topics, number, headOf, leafOf } = this.#parts
    await this.#readHeads()
    for (const [ledger, { seq, leafHash }] of heads) {
      const found = await headOf(ledger)
      // Of a step that was settled, the head may be missing, and the one before it is there.
      const leaf = found !== undefined && found.seq > seq ? await leafOf(ledger, seq) : found?.leafHash
      if (found !== undefined && found.seq >= seq && leaf === leafHash) continue
      throw new LogUnreadable(
        `${ledger} ends in ${topics.ledger}/${number} at seq ${found?.seq ?? -1}, and was written up to seq ${seq}: ` +
          'records were cut off, or changed. Restore the topic; see aep-ledger verify.',
      )
    }
  }

  #outcome(error: unknown): NotWritten | WriteUnknown {
    if (error instanceof CommitUnknown) {
      this.#isFenced ||= error.isFenced
      return new WriteUnknown(error.message, error)
    }
    if (error instanceof Fenced) {
      this.#isFenced = true
      return elsewhere(error)
    }
    return new NotWritten('failed', `Kafka took nothing: ${(error as Error).message}`, error)
  }
}

/** How long the last stable offset may stay behind once nothing is under way: a leader that has just become one. */
const markersMsMax = 2_000

/** How long what was committed may not be shown: its markers are under way, or a broker has just become leader. */
const shownMsMax = 10_000
const shownLookMs = 50

/**
 * The bounds of a place, once it ends no earlier than at `position`, or as they are after `patienceMs`. A commit is answered
 * before its markers are written, and a broker that becomes leader, or comes back, shows for a moment less than it has: a replica
 * knows of records before.
 */
async function boundsFrom(position: number, look: () => Promise<Bounds>, patienceMs: number): Promise<Bounds> {
  for (const untilMs = performance.now() + patienceMs; ; await sleep(shownLookMs)) {
    const bounds = await look()
    if (bounds.low > 0 || bounds.end >= position || performance.now() > untilMs) return bounds
  }
}

export const lostBefore = (place: Place, low: number): LogUnreadable =>
  new LogUnreadable(
    `${placeText(place)} has lost its records before offset ${low}. Restore it, or name another cluster.`,
  )

/** For a process that writes no more, since another one took a partition over. */
export const elsewhere = (cause?: unknown): NotWritten =>
  new NotWritten('closed', 'Another process writes this log now: this one stays off until it is started again.', cause)

const held = (place: Place, from: number): LogUnreadable =>
  new LogUnreadable(
    `${placeText(place)} holds a transaction at offset ${from} that is of none of its owners, and shows nothing behind it. See who ` +
      `writes there (kafka-transactions.sh find-hanging), and abort theirs: kafka-transactions.sh abort --topic ${place.topic} ` +
      `--partition ${place.partition} --start-offset ${from}.`,
  )
