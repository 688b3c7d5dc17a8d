import { setImmediate as yieldLoop } from 'node:timers/promises'
import type { LeafHash, StoredEntry } from '../../ledger/entry.ts'
import { rowOf } from '../row.ts'
import { RowBinaryWriter } from './row-binary.ts'

/** Rows of one insert at most, and where blocks end: at multiples of it. */
export const blockRows = 8_192
/** Bytes of entries of one insert at most, beside its first entry. */
export const blockBytesMax = 16 * 1024 * 1024

/** The loop is given up after so long: whoever waits for it is the gateway that sends events. */
const sliceMsMax = 2

/** The leaf hash of an entry's bytes: `leafHashOf` under the suite at hand. */
export type HashLeaf = (entryBytes: Uint8Array) => LeafHash

/** Rows of one insert, in RowBinary. */
export interface Block {
  readonly first: number
  readonly last: number
  readonly body: readonly Uint8Array[]
}

/**
 * The block that begins with the first of `entries`, which are contiguous by seq. It ends before a multiple of `blockRows`,
 * before `blockBytesMax`, and with the month of `recorded_at`, which is the table's partition: a block of one partition is in
 * whole or not at all. Cost: some 10 µs a row of 1 KB, in slices that hold the event loop for some 2 ms.
 */
export async function encodeBlock(
  hashLeaf: HashLeaf,
  entries: readonly [StoredEntry, ...StoredEntry[]],
): Promise<Block> {
  const writer = new RowBinaryWriter()
  const parts: Uint8Array[] = []
  const first = entries[0].seq
  let last = first
  let bytes = 0
  let month: string | undefined
  let since = performance.now()
  for (const stored of entries) {
    bytes += stored.bytes.length
    if (stored.seq > first && (stored.seq % blockRows === 0 || bytes > blockBytesMax)) break
    const row = rowOf(stored, hashLeaf(stored.bytes))
    month ??= monthOf(row.recordedAtMs)
    if (monthOf(row.recordedAtMs) !== month) break
    writer.write(row)
    last = stored.seq
    if (performance.now() - since < sliceMsMax) continue
    parts.push(writer.take())
    await yieldLoop()
    since = performance.now()
  }
  parts.push(writer.take())
  return { first, last, body: parts }
}

const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7)
