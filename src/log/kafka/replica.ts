import { setTimeout as sleep } from 'node:timers/promises'
import { emptyHead } from '../../ledger/seal.ts'
import type { EmbeddedLog } from '../embedded/log.ts'
import { LogUnreadable, NotWritten } from '../port.ts'
import type { KafkaRecord, Place } from './client.ts'
import type { Positions } from './positions.ts'
import { type PlacedBatch, type Step, StepReader } from './records.ts'

/** What a replica tells of each step that came to stand in it, in the order of the partition. */
export interface ReplicaListener {
  /**
   * Why a batch that somebody wrote must not be believed, if so: then nothing is kept of it or after it, and nothing is
   * written to its partition. Not asked of what this process wrote.
   */
  vouch?(batch: PlacedBatch): string | undefined
  /** A batch is in the replica; must not throw. */
  onKept?(partition: number, batch: PlacedBatch): void
  /** Everything of intake below `intake` is placed, or never will be; must not throw. */
  onPlaced?(partition: number, intake: number): void
}

interface Waiting {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** How long it waits for room on the disk before it tries again. */
const fullWaitMs = 1_000

/**
 * The ledger topic as this process has read it, partition by partition: entries, identities and heads in the embedded log of
 * its folder. What is there answers reads and recognises every identity for ever; it can be thrown away.
 */
export class Replica {
  readonly #log: EmbeddedLog
  readonly #positions: Positions
  readonly #listener: ReplicaListener
  readonly #topic: string
  readonly #partitionOf: (ledger: string) => number
  readonly #readers = new Map<number, StepReader>()
  /** Why a partition can't be followed any further. */
  readonly #stopped = new Map<number, unknown>()
  /** Offset up to which each partition was read; what is behind the position is the beginning of a step. */
  readonly #read = new Map<number, number>()
  /** Last seq of each ledger that the listener heard of, where that is not all that is kept. */
  readonly #untold = new Map<string, number>()
  readonly #waiting = new Map<number, Waiting[]>()
  #full: NotWritten | undefined

  constructor(parts: {
    readonly log: EmbeddedLog
    readonly positions: Positions
    readonly topic: string
    readonly listener: ReplicaListener
    /** The partition that a ledger lives in. */
    readonly partitionOf: (ledger: string) => number
  }) {
    this.#log = parts.log
    this.#positions = parts.positions
    this.#topic = parts.topic
    this.#listener = parts.listener
    this.#partitionOf = parts.partitionOf
  }

  /** Offset of the ledger topic up to which all is here. */
  position(partition: number): number {
    return this.#positions.get(this.#place(partition)).offset
  }

  /** Offset of intake up to which all is placed, as far as is known here. */
  placed(partition: number): number {
    return this.#positions.get(this.#place(partition)).intake
  }

  /** What keeps it from following now, over all partitions. */
  get trouble(): unknown {
    const [first] = this.#stopped.values()
    return first ?? this.#full
  }

  /** Records of a partition from the position on, as they are read. Throws `LogUnreadable` for what no ledger wrote. */
  async take(partition: number, records: readonly KafkaRecord[], next: number): Promise<void> {
    const position = this.position(partition)
    const reader = this.#readers.get(partition) ?? new StepReader()
    this.#readers.set(partition, reader)
    for (const record of records) {
      if (record.offset < position) continue
      const completed = reader.take(record)
      if (completed === undefined) continue
      const { batch, intake } = completed
      if (batch !== undefined) {
        if (this.#partitionOf(batch.ledger) !== partition)
          throw forked(batch, record.offset, 'it lives in another partition')
        const isNew = await this.#keep(batch, record.offset)
        if (isNew || (this.#untold.get(batch.ledger) ?? Number.NaN) < batch.head.seq) this.#tell(partition, batch)
      }
      if (!reader.isOpen) this.#advance(partition, record.offset + 1, intake)
    }
    this.#read.set(partition, next)
    if (!reader.isOpen) this.#advance(partition, next)
    else this.#checkOpen(partition, reader)
  }

  /**
   * A step that began before an offset which all that is committed is to be read up to, and that was read up to there without
   * its end: committed steps are whole, so that its records were cut off.
   */
  #checkOpen(partition: number, { openedAt }: StepReader): void {
    const read = this.#read.get(partition) ?? 0
    const isCut = (this.#waiting.get(partition) ?? []).some(({ offset }) => openedAt < offset && offset <= read)
    if (isCut)
      throw new LogUnreadable(
        `The step at offset ${openedAt} of ${this.#topic}/${partition} has no end: records were cut off.`,
      )
  }

  #tell(partition: number, batch: PlacedBatch): void {
    this.#untold.delete(batch.ledger)
    this.#listener.onKept?.(partition, batch)
  }

  /** Before records of a partition are read anew from its position on. */
  begin(partition: number): void {
    this.#readers.delete(partition)
    this.#read.delete(partition)
    this.#stopped.delete(partition)
  }

  stop(partition: number, error: unknown): void {
    this.#stopped.set(partition, error)
    const waiting = this.#waiting.get(partition) ?? []
    this.#waiting.delete(partition)
    for (const { reject } of waiting) reject(error)
  }

  /** A step that this process wrote, which stands in Kafka up to `offset`. */
  async keepOwn(partition: number, { batches, intake }: Step, offset: number): Promise<void> {
    // Should some of it be kept and not all, it is read again, and what was kept already is told then.
    for (const { ledger, after } of batches) this.#untold.set(ledger, after.seq)
    await Promise.all(batches.map(batch => this.#log.append(batch)))
    for (const batch of batches) this.#tell(partition, batch)
    this.#advance(partition, offset, intake)
  }

  /** Resolves when all of a partition up to `offset` is here; rejects when it can't be followed so far. */
  reached(partition: number, offset: number): Promise<void> {
    if (this.position(partition) >= offset) return Promise.resolve()
    const stopped = this.#stopped.get(partition)
    if (stopped !== undefined) return Promise.reject(stopped)
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(partition) ?? []
      waiting.push({ offset, resolve, reject })
      this.#waiting.set(partition, waiting)
      const reader = this.#readers.get(partition)
      if (reader?.isOpen !== true) return
      try {
        this.#checkOpen(partition, reader)
      } catch (error) {
        reject(error)
      }
    })
  }

  #advance(partition: number, offset: number, intake?: number): void {
    const before = this.#positions.get(this.#place(partition))
    const placed = Math.max(before.intake, intake ?? 0)
    this.#positions.set(this.#place(partition), { offset: Math.max(before.offset, offset), intake: placed })
    if (intake !== undefined) this.#listener.onPlaced?.(partition, placed)
    const waiting = this.#waiting.get(partition)
    if (waiting === undefined) return
    this.#waiting.set(
      partition,
      waiting.filter(one => one.offset > offset),
    )
    for (const one of waiting) if (one.offset <= offset) one.resolve()
  }

  /** Puts a batch that stands in Kafka into the replica, once; whether it was not there yet. */
  async #keep(batch: PlacedBatch, offset: number): Promise<boolean> {
    const head = (await this.#log.head(batch.ledger)) ?? emptyHead
    if (batch.head.seq <= head.seq) {
      await this.#compare(batch, offset)
      return false
    }
    const doubt = this.#listener.vouch?.(batch)
    if (doubt !== undefined) throw forked(batch, offset, doubt)
    for (;;) {
      try {
        await this.#log.append(batch)
        this.#full = undefined
        return true
      } catch (error) {
        if (!(error instanceof NotWritten)) throw error
        if (error.reason === 'head-moved' || error.reason === 'failed') throw forked(batch, offset, error.message)
        if (error.reason === 'closed') throw error
        this.#full = error
        await sleep(fullWaitMs)
      }
    }
  }

  /** It was kept before, and read again; another content at the same place is another history. */
  async #compare(batch: PlacedBatch, offset: number): Promise<void> {
    const { ledger, entries } = batch
    const kept = await this.#log.read(ledger, entries[0]?.seq ?? 0, entries.length, Number.MAX_SAFE_INTEGER)
    const isSame = entries.every(({ bytes, signature }, n) => {
      const one = kept[n]
      return one !== undefined && Buffer.from(one.bytes).equals(bytes) && Buffer.from(one.signature).equals(signature)
    })
    if (!isSame) throw forked(batch, offset, 'another content stands at the same place')
  }

  #place(partition: number): Place {
    return { topic: this.#topic, partition }
  }
}

const forked = ({ ledger, entries }: PlacedBatch, offset: number, why: string): LogUnreadable =>
  new LogUnreadable(
    `The ledger topic holds, up to offset ${offset}, another history of ${ledger} from seq ${entries[0]?.seq} on than ` +
      `the one that was read before: ${why}. Verify both before anything is written.`,
  )
