import { isDeepStrictEqual } from 'node:util'
import type { StoredEntry } from '../ledger/entry.ts'
import type { HashLeaf } from './clickhouse/blocks.ts'
import type { StoredRows } from './port.ts'
import { type Row, rowOf } from './row.ts'

/** What is wrong with the rows of a ledger, held against its log. */
export type RowFinding =
  | { readonly code: 'row-missing' | 'row-doubled'; readonly seq: number }
  /** Any seq that a UInt64 holds. */
  | { readonly code: 'row-invented'; readonly seq: bigint }
  | { readonly code: 'row-changed'; readonly seq: number; readonly members: readonly (keyof Row)[] }

/** The log's side: entries in order from a seq on, as `LogReader.read` gives them. */
export type ReadEntries = (from: number, limit: number) => Promise<readonly StoredEntry[]>

const batch = 1_000
/** What a UInt64 holds at most. */
const seqMax = 2n ** 64n - 1n
/** Seqs of a page: each reads what is left, so few pages. */
const inventedBatch = 50_000

/**
 * Holds the rows of a ledger against its log, both ways, as far as rows claimed to go when it began: every entry has its one
 * row, every member of it is what the entry says (a row whose terms were changed is one that nobody finds), and no row is
 * without an entry. Both may go on growing meanwhile. Reports everything, in order of seq. Reads both sides once.
 */
export async function* rowsAgainst(
  rows: StoredRows,
  ledger: string,
  read: ReadEntries,
  hashLeaf: HashLeaf,
): AsyncGenerator<RowFinding> {
  const { position, last } = await rows.standing(ledger)
  const claimed = Math.max(position, last)
  let from = 0
  while (from <= claimed) {
    const entries = await read(from, Math.min(batch, claimed + 1 - from))
    const end = entries.at(-1)?.seq
    if (end === undefined) break
    const stored = bySeq(await rows.rows(ledger, from, end + 1))
    for (const entry of entries) yield* checkRow(entry, stored.get(entry.seq) ?? [], hashLeaf)
    from = end + 1
  }
  // Past the end of the log, page by page: there may be more of them than entries.
  const end = claimed < Number.MAX_SAFE_INTEGER ? BigInt(claimed) : seqMax
  for (let next = BigInt(from); next <= end; ) {
    const seqs = await rows.seqs(ledger, next, inventedBatch)
    for (const seq of seqs) if (seq <= end) yield { code: 'row-invented', seq }
    const last = seqs.at(-1)
    if (last === undefined) break
    next = last + 1n
  }
}

function* checkRow(entry: StoredEntry, rows: readonly Row[], hashLeaf: HashLeaf): Generator<RowFinding> {
  const { seq } = entry
  if (rows.length === 0) yield { code: 'row-missing', seq }
  if (rows.length > 1) yield { code: 'row-doubled', seq }
  const expected = rowOf(entry, hashLeaf(entry.bytes))
  const names = Object.keys(expected) as (keyof Row)[]
  for (const row of rows) {
    const members = names.filter(name => !isDeepStrictEqual(plain(row[name]), plain(expected[name])))
    if (members.length > 0) yield { code: 'row-changed', seq, members }
  }
}

/** A `Buffer` and a `Uint8Array` of the same bytes are the same to us. */
const plain = (value: unknown): unknown => (value instanceof Uint8Array ? [...value] : value)

function bySeq(rows: readonly Row[]): Map<number, Row[]> {
  const found = new Map<number, Row[]>()
  for (const row of rows) {
    const those = found.get(row.seq)
    if (those === undefined) found.set(row.seq, [row])
    else those.push(row)
  }
  return found
}
