import type { Head, Seq, StoredEntry } from '../../ledger/entry.ts'
import { emptyHead } from '../../ledger/seal.ts'
import type { ViewStore } from '../../projections/store.ts'
import { batchFault, checkDigest } from '../check-batch.ts'
import type { TokenRecord } from '../control.ts'
import type { EmbeddedLog } from '../embedded/log.ts'
import { type AppendBatch, type EventIdentity, LogUnreadable, NotWritten, WriteUnknown } from '../port.ts'
import { CommitUnknown, Fenced, type KafkaClient, type KafkaWriter, type NewRecord } from './client.ts'
import type { Positions } from './positions.ts'
import { BatchReader, PartReader, partsOf, recordsOf } from './records.ts'
import type { Topics } from './topics.ts'

export interface KafkaLogParts {
  readonly client: KafkaClient
  readonly topics: Topics
  readonly transactionalId: string
  /** What was read from Kafka so far, kept here: entries, identities, heads, records, tokens. */
  readonly replica: EmbeddedLog
  readonly positions: Positions
}

/**
 * The log in Kafka. Each batch is one transaction of the ledger topic; the truth is what a reader of committed records
 * finds there. This process keeps a replica of it in its own folder, which answers reads, knows every identity for ever,
 * and can be thrown away.
 *
 * Before the first write, and after anything that leaves doubt, it takes its transactional id over and only then reads up
 * to the end: nobody else can write behind what it has read. Once another process has taken the id over, it stays off.
 */
export class KafkaLog implements EmbeddedLog {
  readonly views: ViewStore
  readonly #parts: KafkaLogParts
  #writer: KafkaWriter | undefined
  /** Whether the replica may lack what is committed. */
  #isInDoubt = true
  #isFenced = false
  #isClosed = false
  /** Writes and readings-back, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: KafkaLogParts) {
    this.#parts = parts
    this.views = parts.replica.views
  }

  append(batch: AppendBatch): Promise<void> {
    const fault = batchFault(batch)
    if (fault !== undefined) return Promise.reject(new NotWritten('failed', fault))
    return this.#write(() => this.#append(batch))
  }

  async #append(batch: AppendBatch): Promise<void> {
    const { replica, topics } = this.#parts
    const writer = await this.#ready()
    const head = (await replica.head(batch.ledger)) ?? emptyHead
    if (head.seq !== batch.after.seq || head.leafHash !== batch.after.leafHash) {
      throw new NotWritten('head-moved', `The head of ${batch.ledger} is at seq ${head.seq}, not ${batch.after.seq}.`)
    }
    const taken = (await replica.find(batch.ledger, batch.ids)).findIndex(seq => seq !== undefined)
    if (taken >= 0) throw new NotWritten('failed', `The event ${JSON.stringify(batch.ids[taken])} has a seq already.`)
    await this.#commit(writer, recordsOf(topics.ledger, batch), () => replica.append(batch))
  }

  async putRecord(digest: string, bytes: Uint8Array): Promise<void> {
    checkDigest(digest)
    const own = new Uint8Array(bytes)
    await this.#write(async () => {
      const { replica, topics } = this.#parts
      const writer = await this.#ready()
      if ((await replica.record(digest)) !== undefined) return
      await this.#commit(writer, partsOf(topics.records, digest, own), () => replica.putRecord(digest, own))
    })
  }

  async putToken(token: TokenRecord): Promise<void> {
    await this.#write(async () => {
      const { replica, topics } = this.#parts
      const writer = await this.#ready()
      const record = { topic: topics.control, key: token.id, value: Buffer.from(JSON.stringify(token)), headers: {} }
      await this.#commit(writer, [record], () => replica.putToken(token))
    })
  }

  /** In turn; a log that can't be believed takes nothing, which is how a writer is told of it. */
  #write(work: () => Promise<void>): Promise<void> {
    return this.#inTurn(work).catch(error => {
      throw error instanceof LogUnreadable ? new NotWritten('failed', error.message, error) : error
    })
  }

  /** The one durable write; `keep` then puts the same into the replica. */
  async #commit(writer: KafkaWriter, records: readonly NewRecord[], keep: () => Promise<void>): Promise<void> {
    const ends = await writer.commit(records).catch(async error => {
      await this.#drop()
      throw this.#outcome(error)
    })
    try {
      await keep()
    } catch (error) {
      await this.#drop()
      throw new WriteUnknown('The batch is in Kafka, and could not be kept here.', error)
    }
    for (const [topic, end] of ends) this.#parts.positions.set(topic, end)
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

  /** A writer that nobody else can write behind, and a replica that has everything up to it. */
  async #ready(): Promise<KafkaWriter> {
    if (this.#isClosed) throw new NotWritten('closed', 'The log is closed.')
    if (this.#isFenced) throw elsewhere()
    try {
      this.#writer ??= await this.#parts.client.writer(this.#parts.transactionalId)
      if (this.#isInDoubt) await this.#catchUp()
      return this.#writer
    } catch (error) {
      if (error instanceof LogUnreadable) throw error
      throw new NotWritten('failed', `Kafka can't be reached: ${(error as Error).message}`, error)
    }
  }

  async #drop(): Promise<void> {
    this.#isInDoubt = true
    const writer = this.#writer
    this.#writer = undefined
    await writer?.close().catch(() => {})
  }

  /** Takes the log over and reads up to its end: what `open` does, and whoever was left in doubt. */
  async certain(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#isFenced) await this.#catchUp()
      else await this.#ready()
    })
  }

  async #catchUp(): Promise<void> {
    const { topics, replica } = this.#parts
    const batches = new BatchReader()
    const parts = new PartReader()
    await this.#follow(topics.control, async ({ value }) => {
      await replica.putToken(JSON.parse(Buffer.from(value).toString()) as TokenRecord)
    })
    await this.#follow(topics.records, async record => {
      const whole = parts.take(record)
      if (whole !== undefined) await replica.putRecord(whole.digest, whole.bytes)
    })
    await this.#follow(topics.ledger, async record => {
      const batch = batches.take(record)
      if (batch !== undefined) await this.#keep(batch, record.offset)
    })
    this.#parts.positions.save()
    this.#isInDoubt = false
  }

  async #follow(topic: string, take: (record: Parameters<BatchReader['take']>[0]) => Promise<void>): Promise<void> {
    const { client, positions, topics } = this.#parts
    const { low, end } = await client.bounds(topic)
    const from = positions.get(topic)
    if (topic !== topics.control && low > 0) {
      throw new LogUnreadable(
        `The topic ${topic} has lost its records before offset ${low}. Restore it, or name another cluster.`,
      )
    }
    if (end < from) {
      throw new LogUnreadable(
        `The topic ${topic} ends at offset ${end}, and was read up to ${from} before: records were cut off, or this is another cluster.`,
      )
    }
    for await (const records of client.read(topic, from, end)) for (const record of records) await take(record)
    positions.set(topic, end)
  }

  /** Puts a batch that stands in Kafka into the replica, once. */
  async #keep(batch: AppendBatch, offset: number): Promise<void> {
    const { replica } = this.#parts
    const head = (await replica.head(batch.ledger)) ?? emptyHead
    if (batch.head.seq > head.seq) {
      await replica.append(batch).catch(error => {
        if (!(error instanceof NotWritten) || (error.reason !== 'head-moved' && error.reason !== 'failed')) throw error
        throw forked(batch, offset, error)
      })
      return
    }
    // It was kept before, and read again; another content at the same place is another history.
    const kept = await replica.read(
      batch.ledger,
      batch.entries[0]?.seq ?? 0,
      batch.entries.length,
      Number.MAX_SAFE_INTEGER,
    )
    const isSame = batch.entries.every(({ bytes, signature }, n) => {
      const one = kept[n]
      return one !== undefined && Buffer.from(one.bytes).equals(bytes) && Buffer.from(one.signature).equals(signature)
    })
    if (!isSame) throw forked(batch, offset)
  }

  ledgers(): Promise<readonly string[]> {
    return this.#parts.replica.ledgers()
  }

  async head(ledger: string): Promise<Head | undefined> {
    if (this.#isInDoubt && !this.#isClosed) await this.certain()
    return this.#parts.replica.head(ledger)
  }

  read(ledger: string, from: number, limit: number, bytesMax?: number): Promise<readonly StoredEntry[]> {
    return this.#parts.replica.read(ledger, from, limit, bytesMax)
  }

  find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]> {
    return this.#parts.replica.find(ledger, ids)
  }

  record(digest: string): Promise<Uint8Array | undefined> {
    return this.#parts.replica.record(digest)
  }

  tokens(): Promise<readonly TokenRecord[]> {
    return this.#parts.replica.tokens()
  }

  backup(folder: string): Promise<void> {
    return this.#parts.replica.backup(folder)
  }

  clearReaders(): number {
    return this.#parts.replica.clearReaders()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return void (await this.#turn)
    this.#isClosed = true
    this.#turn = this.#turn.then(async () => {
      const { client, replica, positions } = this.#parts
      await this.#writer?.close().catch(() => {})
      await client.close().catch(() => {})
      await replica.close()
      positions.save()
    })
    await this.#turn
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }
}

const elsewhere = (cause?: unknown): NotWritten =>
  new NotWritten('closed', 'Another process writes this log now: this one stays off until it is started again.', cause)

const forked = ({ ledger, entries }: AppendBatch, offset: number, cause?: unknown): LogUnreadable =>
  new LogUnreadable(
    `The ledger topic holds, up to offset ${offset}, another history of ${ledger} from seq ${entries[0]?.seq} on than the one ` +
      'that was read before. Verify both before anything is written.',
    cause,
  )
