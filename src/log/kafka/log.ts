import { createHash } from 'node:crypto'
import type { Head, Seq, StoredEntry } from '../../ledger/entry.ts'
import { emptyHead } from '../../ledger/seal.ts'
import type { ViewStore } from '../../projections/store.ts'
import { batchFault, checkDigest } from '../check-batch.ts'
import { type TokenRecord, tokenPrefix } from '../control.ts'
import type { EmbeddedLog } from '../embedded/log.ts'
import { type AppendBatch, type EventIdentity, LogUnreadable, NotWritten, WriteUnknown } from '../port.ts'
import {
  type Bounds,
  type KafkaClient,
  type KafkaRecord,
  type KafkaTail,
  type NewRecord,
  type Place,
  placeText,
} from './client.ts'
import { Heads } from './heads.ts'
import type { Installation } from './installation.ts'
import { elsewhere, lostBefore, Partition } from './partition.ts'
import type { Positions } from './positions.ts'
import { PartReader, partsOf } from './records.ts'
import type { Replica } from './replica.ts'
import { Sender } from './sender.ts'
import type { Topics } from './topics.ts'

export interface KafkaLogParts {
  readonly client: KafkaClient
  readonly topics: Topics
  readonly prefix: string
  readonly installation: Installation
  /** What was read from Kafka so far, kept here: entries, identities, heads, records, tokens. */
  readonly store: EmbeddedLog
  readonly positions: Positions
  readonly replica: Replica
}

/** Takes records of a partition of intake, in order; `next` is the offset to go on from. */
export type TakeIntake = (partition: number, records: readonly KafkaRecord[], next: number) => Promise<void>

/**
 * The log in Kafka. What is true is what a reader of committed records finds in the ledger topic; this process follows it
 * into a replica in its own folder, which answers reads and knows every identity for ever. Each partition is written by its
 * owner: see `Partition`. As a `LedgerLog` it takes a partition over when it first writes to it, and stays off once another
 * process has done the same.
 */
export class KafkaLog implements EmbeddedLog {
  readonly views: ViewStore
  readonly installation: Installation
  readonly topics: Topics
  readonly client: KafkaClient
  readonly #parts: KafkaLogParts
  readonly #sender: Sender
  readonly #partReader = new PartReader()
  readonly #turns = new Map<number, Promise<unknown>>()
  /** Partitions that were written by `append`. */
  readonly #appended = new Set<number>()
  /** One a partition. */
  readonly #heads: readonly Heads[]
  #tail: KafkaTail | undefined
  #partitions: readonly Partition[] = []
  #takeIntake: TakeIntake = async () => {}
  #intakeLost: (partition: number, error: unknown) => void = () => {}
  #trouble: unknown
  /** Why the tokens, or the records beside the log, can't be followed. */
  readonly #stopped = new Map<string, unknown>()
  #isClosed = false

  private constructor(parts: KafkaLogParts) {
    this.#parts = parts
    this.client = parts.client
    this.topics = parts.topics
    this.installation = parts.installation
    this.views = parts.store.views
    this.#sender = new Sender(parts.client)
    this.#heads = Array.from(
      { length: parts.installation.partitions },
      (_, partition) => new Heads({ topic: parts.topics.heads, partition }),
    )
  }

  /** Follows from where the replica stands; resolves when what was committed at the call is in it. */
  static async start(parts: KafkaLogParts): Promise<KafkaLog> {
    const log = new KafkaLog(parts)
    try {
      await log.#follow()
      await log.current()
      return log
    } catch (error) {
      await log.#tail?.close()
      throw error
    }
  }

  async #follow(): Promise<void> {
    const { client, topics, replica, prefix, installation, store, positions } = this.#parts
    const numbers = Array.from({ length: installation.partitions }, (_, number) => number)
    const from = (place: Place) => ({ ...place, from: positions.get(place).offset })
    const tail = await client.tail({
      places: [
        ...numbers.map(partition => from({ topic: topics.ledger, partition })),
        ...numbers.map(partition => ({ topic: topics.intake, partition, from: 0, isPaused: true, isPassedOver: true })),
        ...this.#heads.map(({ place }) => ({ ...place, from: 0 })),
        ...[topics.control, topics.records].map(topic => from({ topic, partition: 0 })),
      ],
      take: (...taken) => this.#take(...taken),
      onStopped: (place, error) => {
        if (place.topic === topics.ledger) replica.stop(place.partition, unreadable(error))
        else if (place.topic === topics.intake) this.#intakeLost(place.partition, error)
        else if (place.topic === topics.heads) this.#heads[place.partition]?.stop(error)
        else this.#stopAside(place, error)
      },
      onTrouble: error => {
        this.#trouble = error
      },
    })
    this.#tail = tail
    const headOf = (ledger: string) => store.head(ledger)
    const leafOf = async (ledger: string, seq: number): Promise<string | undefined> => {
      const [entry] = await store.read(ledger, seq, 1)
      return entry && createHash('sha256').update(Uint8Array.of(0)).update(entry.bytes).digest('hex')
    }
    this.#partitions = this.#heads.map((heads, number) => {
      const transactionalId = `${prefix}.ledger-${number}`
      return new Partition({ number, client, tail, replica, heads, topics, transactionalId, headOf, leafOf })
    })
  }

  /** Tokens and records: a disk without room is tried again, anything else is for people. */
  #stopAside(place: Place, error: unknown): void {
    const why = error instanceof NotWritten ? error : unreadable(error)
    this.#stopped.set(placeText(place), why)
    if (!(why instanceof NotWritten)) return
    const again = setTimeout(() => {
      if (this.#isClosed) return
      this.#stopped.delete(placeText(place))
      this.#tail?.resume(place, this.#parts.positions.get(place).offset)
    }, asideWaitMs)
    again.unref()
  }

  async #take(place: Place, records: readonly KafkaRecord[], next: number): Promise<void> {
    const { topics, replica, store, positions } = this.#parts
    if (place.topic === topics.ledger) return replica.take(place.partition, records, next)
    if (place.topic === topics.intake) return this.#takeIntake(place.partition, records, next)
    if (place.topic === topics.heads) return this.#heads[place.partition]?.take(records, next)
    for (const record of records) {
      if (place.topic === topics.control) {
        if (record.key.startsWith(tokenPrefix)) await store.putToken(tokenIn(record.value))
      } else {
        const whole = this.#partReader.take(record)
        if (whole !== undefined) await store.putRecord(whole.digest, whole.bytes)
      }
    }
    positions.set(place, { offset: next, intake: 0 })
  }

  /** Resolves when everything that is committed now is in the replica, and the tokens with it. */
  async current(): Promise<void> {
    await Promise.all(this.#partitions.map(partition => this.#inTurn(partition, () => partition.current())))
    const { client, positions, topics } = this.#parts
    for (const topic of [topics.control, topics.records]) {
      const place = { topic, partition: 0 }
      const { low, end } = await client.bounds(place)
      // Of a place that is empty now, no fetch tells.
      if (positions.get(place).offset < low) throw lostBefore(place, low)
      while (positions.get(place).offset < end && !this.#isClosed) {
        const why = this.#stopped.get(placeText(place))
        if (why instanceof LogUnreadable) throw why
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }
  }

  get partitions(): readonly Partition[] {
    return this.#partitions
  }

  /** The partition that a ledger lives in. */
  partitionOf(ledger: string): Partition {
    const number = this.#parts.client.partitionOf(ledger, this.#partitions.length)
    const partition = this.#partitions[number]
    if (partition === undefined) throw new RangeError(`There is no partition ${number}.`)
    return partition
  }

  /** What keeps the replica from following, or `undefined`. */
  get trouble(): unknown {
    const [aside] = this.#stopped.values()
    return this.#parts.replica.trouble ?? aside ?? this.#trouble
  }

  /** Offset of intake up to which all is placed, as far as the replica knows. */
  placed(partition: number): number {
    return this.#parts.replica.placed(partition)
  }

  /** Offsets of the ledger topic that the replica has still to read, by partition. */
  async lag(): Promise<ReadonlyMap<number, number>> {
    const { client, replica, topics } = this.#parts
    const lags = this.#partitions.map(async ({ number, isOwned }): Promise<[number, number]> => {
      if (isOwned) return [number, 0]
      const { end } = await client.bounds({ topic: topics.ledger, partition: number })
      return [number, Math.max(0, end - replica.position(number))]
    })
    return new Map(await Promise.all(lags))
  }

  /** Who takes what is read of intake, once `readIntake` has begun it, and hears when it can't be read any further. */
  takeIntake(take: TakeIntake, lost: (partition: number, error: unknown) => void): void {
    this.#takeIntake = take
    this.#intakeLost = lost
  }

  /** Offsets that a partition of intake holds records at. */
  intakeBounds(partition: number): Promise<Bounds> {
    return this.#parts.client.bounds({ topic: this.topics.intake, partition })
  }

  readIntake(partition: number, from: number): void {
    this.#tail?.resume({ topic: this.topics.intake, partition }, from)
  }

  pauseIntake(partition: number): void {
    this.#tail?.pause({ topic: this.topics.intake, partition })
  }

  append(batch: AppendBatch): Promise<void> {
    const fault = batchFault(batch)
    if (fault !== undefined) return Promise.reject(new NotWritten('failed', fault))
    const partition = this.partitionOf(batch.ledger)
    this.#appended.add(partition.number)
    return this.#inTurn(partition, () => this.#append(partition, batch)).catch(error => {
      throw error instanceof LogUnreadable ? new NotWritten('failed', error.message, error) : error
    })
  }

  async #append(partition: Partition, batch: AppendBatch): Promise<void> {
    await this.#owned(partition)
    const { store } = this.#parts
    const head = (await store.head(batch.ledger)) ?? emptyHead
    if (head.seq !== batch.after.seq || head.leafHash !== batch.after.leafHash) {
      throw new NotWritten('head-moved', `The head of ${batch.ledger} is at seq ${head.seq}, not ${batch.after.seq}.`)
    }
    const taken = (await store.find(batch.ledger, batch.ids)).findIndex(seq => seq !== undefined)
    if (taken >= 0) throw new NotWritten('failed', `The event ${JSON.stringify(batch.ids[taken])} has a seq already.`)
    await partition.write({ batches: [batch] })
  }

  async #owned(partition: Partition): Promise<void> {
    if (this.#isClosed) throw closed()
    if (partition.isOwned) return
    if (partition.isFenced) throw elsewhere()
    try {
      await partition.own()
    } catch (error) {
      if (error instanceof LogUnreadable) throw error
      throw new NotWritten('failed', `Kafka can't be reached: ${(error as Error).message}`, error)
    }
  }

  async head(ledger: string): Promise<Head | undefined> {
    const partition = this.partitionOf(ledger)
    // One that this process wrote and then had to let go: whether its last write is there is known from the topic alone.
    if (this.#appended.has(partition.number) && !partition.isOwned && !this.#isClosed) {
      await this.#inTurn(partition, () => (partition.isFenced ? partition.current() : this.#owned(partition)))
    }
    return this.#parts.store.head(ledger)
  }

  async putRecord(digest: string, bytes: Uint8Array): Promise<void> {
    checkDigest(digest)
    const { store, topics } = this.#parts
    if (this.#isClosed) throw closed()
    if ((await store.record(digest)) !== undefined) return
    const own = new Uint8Array(bytes)
    for (const part of partsOf({ topic: topics.records, partition: 0 }, digest, own)) await this.#send(part)
    await store.putRecord(digest, own)
  }

  async putToken(token: TokenRecord): Promise<void> {
    const value = Buffer.from(JSON.stringify(token))
    await this.#send({ topic: this.topics.control, partition: 0, key: `${tokenPrefix}${token.id}`, value, headers: {} })
    await this.#parts.store.putToken(token)
  }

  async #send(record: NewRecord): Promise<void> {
    if (this.#isClosed) throw closed()
    await this.#sender.send([record]).catch(error => {
      throw new WriteUnknown(`Kafka gave no answer: ${(error as Error).message}`, error)
    })
  }

  ledgers(): Promise<readonly string[]> {
    return this.#parts.store.ledgers()
  }

  read(ledger: string, from: number, limit: number, bytesMax?: number): Promise<readonly StoredEntry[]> {
    return this.#parts.store.read(ledger, from, limit, bytesMax)
  }

  find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]> {
    return this.#parts.store.find(ledger, ids)
  }

  record(digest: string): Promise<Uint8Array | undefined> {
    return this.#parts.store.record(digest)
  }

  tokens(): Promise<readonly TokenRecord[]> {
    return this.#parts.store.tokens()
  }

  backup(folder: string): Promise<void> {
    return this.#parts.store.backup(folder)
  }

  clearReaders(): number {
    return this.#parts.store.clearReaders()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { client, store, positions } = this.#parts
    await Promise.all(this.#partitions.map(partition => this.#inTurn(partition, () => partition.release())))
    await this.#sender.close()
    await this.#tail?.close()
    await client.close().catch(() => {})
    await store.close()
    positions.save()
  }

  /** Work on a partition, one after the other. */
  #inTurn<T>({ number }: Partition, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(number) ?? Promise.resolve()).then(work)
    this.#turns.set(
      number,
      turn.catch(() => {}),
    )
    return turn
  }
}

const asideWaitMs = 1_000

const closed = (): NotWritten => new NotWritten('closed', 'The log is closed.')

const tokenIn = (value: Uint8Array): TokenRecord => JSON.parse(Buffer.from(value).toString()) as TokenRecord

/** A place that can't be followed any further: what stopped it is for people to look at. */
const unreadable = (error: unknown): LogUnreadable =>
  error instanceof LogUnreadable
    ? error
    : new LogUnreadable(`The ledger topic can't be followed: ${String(error)}`, error)
