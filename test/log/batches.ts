import { createHash } from 'node:crypto'
import { utf8 } from '../../src/base/bytes.ts'
import type { Head, LeafHash, Seq, StoredEntry } from '../../src/ledger/entry.ts'
import { emptyHead } from '../../src/ledger/seal.ts'
import type { AppendBatch, EventIdentity } from '../../src/log/port.ts'

/** Leaf hash by its definition, apart from the project's own. */
export const leafHash = (bytes: Uint8Array): LeafHash =>
  createHash('sha256').update(Uint8Array.of(0)).update(bytes).digest('hex') as LeafHash

export interface BatchOptions {
  readonly ledger?: string
  readonly count?: number
  /** Bytes of each entry. */
  readonly size?: number
  readonly identityOf?: (seq: number) => EventIdentity
}

/** The batch of made-up entries that follows `after`: the same whenever it is made. */
export function batchAfter(after: Head | undefined, options: BatchOptions = {}): AppendBatch {
  const { ledger = 'default', count = 1, size = 200, identityOf = identity } = options
  const from = after ?? emptyHead
  const seqs = Array.from({ length: count }, (_, n) => (from.seq + 1 + n) as Seq)
  const entries = seqs.map(seq => entryAt(ledger, seq, size))
  const last = entries.at(-1)
  const head = {
    seq: (from.seq + count) as Seq,
    leafHash: leafHash(last?.bytes ?? new Uint8Array(0)),
    recordedAt: new Date(Date.UTC(2026, 0, 1) + from.seq + count).toISOString(),
  }
  return { ledger, entries, ids: seqs.map(identityOf), after: { seq: from.seq, leafHash: from.leafHash }, head }
}

export const identity = (seq: number): EventIdentity => ({
  source: 'urn:gateway:7',
  id: `event-${String(seq).padStart(9, '0')}`,
})

export function entryAt(ledger: string, seq: number, size: number): StoredEntry {
  const bytes = utf8(`${ledger} ${seq} `.padEnd(size, 'x'))
  const signature = createHash('sha512').update(bytes).digest()
  return { seq: seq as Seq, bytes, signature: new Uint8Array(signature) }
}
