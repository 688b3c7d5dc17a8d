import { textOf, utf8 } from '../../base/bytes.ts'
import type { LeafHash, Seq, StoredEntry } from '../../ledger/entry.ts'
import { type AppendBatch, type EventIdentity, LogUnreadable } from '../port.ts'
import type { KafkaRecord, NewRecord } from './client.ts'

/**
 * How a batch stands in the ledger topic: a record an entry, all in one transaction.
 *
 * - key: the ledger; value: the entry's bytes;
 * - header `sig`: the signature, 64 bytes; header `seq`: the place, in decimal digits; header `id`: JSON `[source, id]`;
 * - on the first record of a batch, header `after`: JSON `[leaf hash]` of the head before it;
 * - on the last, header `head`: JSON `[leaf hash, recorded_at]` of the head after it.
 */
export function recordsOf(topic: string, { ledger, entries, ids, after, head }: AppendBatch): NewRecord[] {
  return entries.map(({ seq, bytes, signature }, n) => ({
    topic,
    key: ledger,
    value: bytes,
    headers: {
      sig: signature,
      seq: utf8(String(seq)),
      id: utf8(JSON.stringify([ids[n]?.source, ids[n]?.id])),
      ...(n === 0 && { after: utf8(JSON.stringify([after.leafHash])) }),
      ...(n === entries.length - 1 && { head: utf8(JSON.stringify([head.leafHash, head.recordedAt])) }),
    },
  }))
}

/** Puts batches together again from records in their order. */
export class BatchReader {
  #open: { ledger: string; after: LeafHash; entries: StoredEntry[]; ids: EventIdentity[] } | undefined

  /** The batch that `record` completes, if it does. Throws `LogUnreadable` for a record that no log wrote. */
  take(record: KafkaRecord): AppendBatch | undefined {
    const { key: ledger, value, headers, offset } = record
    const foreign = () => foreignAt(offset, 'ledger')
    const { sig, seq, id } = headers
    if (sig?.length !== 64 || seq === undefined || id === undefined) throw foreign()
    if (headers['after'] !== undefined) {
      const [after] = jsonOf(headers['after'], foreign)
      this.#open = { ledger, after: String(after) as LeafHash, entries: [], ids: [] }
    }
    const open = this.#open
    if (open === undefined || open.ledger !== ledger) throw foreign()
    const [source, name] = jsonOf(id, foreign)
    open.entries.push({ seq: Number(textOf(seq)) as Seq, bytes: value, signature: sig })
    open.ids.push({ source: String(source), id: String(name) })
    if (headers['head'] === undefined) return undefined
    this.#open = undefined
    const [leafHash, recordedAt] = jsonOf(headers['head'], foreign)
    const { after, entries, ids } = open
    const first = entries[0]?.seq ?? 0
    return {
      ledger,
      entries,
      ids,
      after: { seq: (first - 1) as Seq, leafHash: after },
      head: {
        seq: (first + entries.length - 1) as Seq,
        leafHash: String(leafHash) as LeafHash,
        recordedAt: String(recordedAt),
      },
    }
  }
}

const partBytesMax = 512 * 1024

/** A record too large for an entry: parts of at most half a MiB, each naming its number and how many there are. */
export function partsOf(topic: string, digest: string, bytes: Uint8Array): NewRecord[] {
  const count = Math.max(1, Math.ceil(bytes.length / partBytesMax))
  return Array.from({ length: count }, (_, n) => ({
    topic,
    key: digest,
    value: bytes.subarray(n * partBytesMax, (n + 1) * partBytesMax),
    headers: { part: utf8(JSON.stringify([n, count])) },
  }))
}

/** Puts parts together again from records in their order. */
export class PartReader {
  #parts: Uint8Array[] = []

  /** The record that this part completes, if it does. */
  take({ key, value, headers, offset }: KafkaRecord): { digest: string; bytes: Uint8Array } | undefined {
    const foreign = () => foreignAt(offset, 'records')
    const [n, count] = jsonOf(headers['part'] ?? new Uint8Array(), foreign).map(Number)
    if (n === 0) this.#parts = []
    if (n !== this.#parts.length) throw foreign()
    this.#parts.push(value)
    return this.#parts.length === count ? { digest: key, bytes: new Uint8Array(Buffer.concat(this.#parts)) } : undefined
  }
}

const foreignAt = (offset: number, topic: string): LogUnreadable =>
  new LogUnreadable(`The record at offset ${offset} of the ${topic} topic is not one that a ledger writes.`)

function jsonOf(bytes: Uint8Array, fault: () => LogUnreadable): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(textOf(bytes) ?? '')
    if (Array.isArray(value)) return value
  } catch {}
  throw fault()
}
