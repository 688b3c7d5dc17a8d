import { setImmediate as yieldLoop } from 'node:timers/promises'
import type { LeafHash, StoredEntry } from '../../ledger/entry.ts'
import { rowOf } from '../row.ts'
import { RowBinaryWriter } from './row-binary.ts'

/** Rows of one insert at most, and where blocks end: at multiples of it. */
export const blockRows = 8_192
/** Bytes of entries of one insert at most, beside its first entry. */
export const blockBytesMax = 16 * 1024 * 1024

/**
 * Cuts entries, contiguous by seq, into the blocks that are inserted. A block ends before every multiple of `blockRows`,
 * before `blockBytesMax`, and after `atLast`, if that seq is among them: an insert whose outcome is unknown is sent again in
 * the same cut, so that the server knows it by its token.
 */
export function* blocksOf(entries: readonly StoredEntry[], atLast = -1): Generator<readonly StoredEntry[]> {
  let from = 0
  let bytes = 0
  for (const [index, { seq, bytes: entry }] of entries.entries()) {
    const ends = seq % blockRows === 0 || seq === atLast + 1 || bytes + entry.length > blockBytesMax
    if (index > from && ends) {
      yield entries.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += entry.length
  }
  if (from < entries.length) yield entries.slice(from)
}

/** The loop is given up after so long: whoever waits for it is the gateway that sends events. */
const sliceMsMax = 2

/** The leaf hash of an entry's bytes: `leafHashOf` under the suite at hand. */
export type HashLeaf = (entryBytes: Uint8Array) => LeafHash

/** Rows of entries in RowBinary. Cost: some 10 µs a row of 1 KB, in slices that hold the event loop for some 2 ms. */
export async function encodeRows(hashLeaf: HashLeaf, entries: readonly StoredEntry[]): Promise<readonly Uint8Array[]> {
  const writer = new RowBinaryWriter()
  const parts: Uint8Array[] = []
  let since = performance.now()
  for (const stored of entries) {
    writer.write(rowOf(stored, hashLeaf(stored.bytes)))
    if (performance.now() - since < sliceMsMax) continue
    parts.push(writer.take())
    await yieldLoop()
    since = performance.now()
  }
  parts.push(writer.take())
  return parts
}
