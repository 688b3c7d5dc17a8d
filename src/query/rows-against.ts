import { isDeepStrictEqual } from 'node:util'
import type { StoredEntry } from '../ledger/entry.ts'
import type { HashLeaf } from './clickhouse/blocks.ts'
import type { StoredRows } from './port.ts'
import { type Row, rowOf } from './row.ts'

/** What is wrong with the rows of a ledger, held against its log. */
export type RowFinding =
  | { readonly code: 'row-missing' | 'row-doubled' | 'row-invented'; readonly seq: number }
  | { readonly code: 'row-changed'; readonly seq: number; readonly members: readonly (keyof Row)[] }

/** The log's side: entries in order from a seq on, as `LogReader.read` gives them. */
export type ReadEntries = (from: number, limit: number) => Promise<readonly StoredEntry[]>

const batch = 1_000
/** Past the end of the log, so many places are looked at for rows of entries that there are none of. */
const beyond = Number.MAX_SAFE_INTEGER

/**
 * Holds the rows of a ledger against its log, both ways, up to the position that `rows` claims: every entry has its one
 * row, every member of it is what the entry says (a row whose terms were changed is one that nobody finds), and no row is
 * without an entry. Reports everything, in order of seq. Reads both sides once.
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
  for (;;) {
    const entries = await read(from, batch)
    const end = entries.at(-1)?.seq
    if (end === undefined) break
    const stored = bySeq(await rows.rows(ledger, from, end + 1))
    for (const entry of entries) yield* checkRow(entry, stored.get(entry.seq) ?? [], claimed, hashLeaf)
    from = end + 1
  }
  for (const seq of bySeq(await rows.rows(ledger, from, beyond)).keys()) yield { code: 'row-invented', seq }
}

function* checkRow(
  entry: StoredEntry,
  rows: readonly Row[],
  claimed: number,
  hashLeaf: HashLeaf,
): Generator<RowFinding> {
  const { seq } = entry
  // What the follower has not brought over yet is late, not missing.
  if (rows.length === 0 && seq <= claimed) yield { code: 'row-missing', seq }
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
