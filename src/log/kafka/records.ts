import { textOf, utf8 } from '../../base/bytes.ts'
import type { LeafHash, Seq, StoredEntry } from '../../ledger/entry.ts'
import { type AppendBatch, type EventIdentity, LogUnreadable } from '../port.ts'
import type { KafkaRecord, NewRecord, Place } from './client.ts'

/** A batch, and which record of intake each of its entries came from, where they came from there. */
export interface PlacedBatch extends AppendBatch {
  readonly origins?: readonly number[]
}

/** What one transaction says: batches of several ledgers, and how far intake is placed with them. */
export interface Step {
  readonly batches: readonly PlacedBatch[]
  /** Offset of intake that comes next. */
  readonly intake?: number
}

/** Key of a record that holds no entry and says only how far intake is placed. No ledger has such a name. */
export const markKey = '#intake'

/**
 * How a step stands in the ledger topic: a record an entry, all in one transaction, batch after batch.
 *
 * - key: the ledger; value: the entry's bytes;
 * - header `sig`: the signature, 64 bytes; header `seq`: the place, in decimal digits; header `id`: JSON `[source, id]`;
 *   header `in`: offset of the intake record that it came from;
 * - on the first record of a batch, header `after`: the leaf hash of the head before it;
 * - on the last, header `head`: JSON `[leaf hash, recorded_at]` of the head after it;
 * - on the first of the step, header `at`: the offset that it was written to stand at;
 * - on the last of the step, header `next`: offset of intake that comes next. A step of no entry is one record under the key
 *   `#intake` with this header, and no value.
 */
export function recordsOf(place: Place, { batches, intake }: Step, at: number): NewRecord[] {
  const records = batches.flatMap(batch => batchRecords(place, batch))
  if (records.length === 0) records.push({ ...place, key: markKey, value: new Uint8Array(), headers: {} })
  addHeader(records, 0, 'at', at)
  if (intake !== undefined) addHeader(records, records.length - 1, 'next', intake)
  return records
}

function addHeader(records: NewRecord[], n: number, name: string, value: number): void {
  const record = records[n]
  if (record !== undefined) records[n] = { ...record, headers: { ...record.headers, [name]: utf8(String(value)) } }
}

const batchRecords = (place: Place, { ledger, entries, ids, after, head, origins }: PlacedBatch): NewRecord[] =>
  entries.map(({ seq, bytes, signature }, n) => ({
    ...place,
    key: ledger,
    value: bytes,
    headers: {
      sig: signature,
      seq: utf8(String(seq)),
      id: utf8(JSON.stringify([ids[n]?.source, ids[n]?.id])),
      ...(origins && { in: utf8(String(origins[n])) }),
      ...(n === 0 && { after: utf8(after.leafHash) }),
      ...(n === entries.length - 1 && { head: utf8(JSON.stringify([head.leafHash, head.recordedAt])) }),
    },
  }))

/** What a record completes. */
export type Completed = { readonly batch?: PlacedBatch; readonly intake?: number }

interface OpenBatch {
  readonly openedAt: number
  readonly ledger: string
  readonly after: LeafHash
  readonly entries: StoredEntry[]
  readonly ids: EventIdentity[]
  readonly origins: number[]
}

/** Puts steps together again from records of one partition in their order. */
export class StepReader {
  #open: OpenBatch | undefined

  /** Whether the records so far end in the middle of a batch. */
  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Offset of the first record of the batch that has no end yet. */
  get openedAt(): number {
    return this.#open?.openedAt ?? Number.POSITIVE_INFINITY
  }

  /** What `record` completes, if anything. Throws `LogUnreadable` for a record that no log wrote. */
  take(record: KafkaRecord): Completed | undefined {
    const { key: ledger, value, headers, offset } = record
    const foreign = () => foreignAt(offset, 'ledger')
    const { sig, seq, id, at } = headers
    if (at !== undefined && numberOf(at, foreign) !== offset) {
      throw new LogUnreadable(
        `The record at offset ${offset} was written to stand at ${textOf(at)}: the topic is not as it was written.`,
      )
    }
    const intake = headers['next'] === undefined ? {} : { intake: numberOf(headers['next'], foreign) }
    if (ledger === markKey) {
      if (this.#open !== undefined || at === undefined || headers['next'] === undefined) throw foreign()
      return intake
    }
    if (sig?.length !== 64 || seq === undefined || id === undefined) throw foreign()
    if (headers['after'] !== undefined) {
      const after = (textOf(headers['after']) ?? '') as LeafHash
      this.#open = { openedAt: offset, ledger, after, entries: [], ids: [], origins: [] }
    }
    const open = this.#open
    if (open === undefined || open.ledger !== ledger) throw foreign()
    const [source, name] = jsonOf(id, foreign)
    open.entries.push({ seq: numberOf(seq, foreign) as Seq, bytes: value, signature: sig })
    open.ids.push({ source: String(source), id: String(name) })
    if (headers['in'] !== undefined) open.origins.push(numberOf(headers['in'], foreign))
    if (headers['head'] === undefined) return undefined
    this.#open = undefined
    return { batch: whole(open, headers['head'], foreign), ...intake }
  }
}

function whole(
  { ledger, after, entries, ids, origins }: OpenBatch,
  head: Uint8Array,
  foreign: () => Error,
): PlacedBatch {
  const [leafHash, recordedAt] = jsonOf(head, foreign)
  const first = entries[0]?.seq ?? 0
  return {
    ledger,
    entries,
    ids,
    ...(origins.length === entries.length && { origins }),
    after: { seq: (first - 1) as Seq, leafHash: after },
    head: {
      seq: (first + entries.length - 1) as Seq,
      leafHash: String(leafHash) as LeafHash,
      recordedAt: String(recordedAt),
    },
  }
}

const partBytesMax = 512 * 1024

/** A record too large for an entry: parts of at most half a MiB, each naming its number and how many there are. */
export function partsOf(place: Place, digest: string, bytes: Uint8Array): NewRecord[] {
  const count = Math.max(1, Math.ceil(bytes.length / partBytesMax))
  return Array.from({ length: count }, (_, n) => ({
    ...place,
    key: digest,
    value: bytes.subarray(n * partBytesMax, (n + 1) * partBytesMax),
    headers: { part: utf8(JSON.stringify([n, count])) },
  }))
}

/** Records whose parts are not all there: those of a process that died half-way, and of as many at work at once. */
const unfinishedMax = 256

/** Puts parts together again. Those of several records may be mixed, and come again: a digest has one content. */
export class PartReader {
  readonly #unfinished = new Map<string, Map<number, Uint8Array>>()

  /** The record that this part completes, if it does. */
  take({ key, value, headers, offset }: KafkaRecord): { digest: string; bytes: Uint8Array } | undefined {
    const foreign = () => foreignAt(offset, 'records')
    const [n = Number.NaN, count = Number.NaN] = jsonOf(headers['part'] ?? new Uint8Array(), foreign).map(Number)
    if (!(n >= 0 && n < count)) throw foreign()
    const parts = this.#unfinished.get(key) ?? new Map<number, Uint8Array>()
    this.#unfinished.set(key, parts)
    parts.set(n, value)
    if (parts.size < count) {
      const [oldest] = this.#unfinished.keys()
      if (this.#unfinished.size > unfinishedMax && oldest !== undefined) this.#unfinished.delete(oldest)
      return undefined
    }
    this.#unfinished.delete(key)
    const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part)
    return { digest: key, bytes: new Uint8Array(Buffer.concat(inOrder)) }
  }
}

const foreignAt = (offset: number, topic: string): LogUnreadable =>
  new LogUnreadable(`The record at offset ${offset} of the ${topic} topic is not one that a ledger writes.`)

function jsonOf(bytes: Uint8Array, fault: () => Error): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(textOf(bytes) ?? '')
    if (Array.isArray(value)) return value
  } catch {}
  throw fault()
}

function numberOf(bytes: Uint8Array, fault: () => Error): number {
  const text = textOf(bytes) ?? ''
  if (!/^\d{1,16}$/.test(text)) throw fault()
  return Number(text)
}
