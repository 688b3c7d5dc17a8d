import type { StoredEntry } from '../ledger/entry.ts'
import type { Row } from './row.ts'

/**
 * Search over entries. All members are ANDed; members of a list, which is never empty, are ORed. Members that speak of
 * facts (principals to policies) hold for one and the same fact: `decisions: ['deny'], tools: ['x']` finds denials of x, and
 * no record that allows x and denies y.
 */
export interface SearchFilter {
  /** Event time by the emitter, ms since the epoch: from inclusive, until exclusive. */
  readonly sinceMs?: number
  readonly untilMs?: number
  readonly types?: readonly string[]
  readonly principals?: readonly string[]
  readonly runs?: readonly string[]
  readonly sessions?: readonly string[]
  readonly servers?: readonly string[]
  readonly tools?: readonly string[]
  readonly decisions?: readonly string[]
  readonly denyReasons?: readonly string[]
  /** `unknown` finds the undeclared as well. */
  readonly sideEffects?: readonly string[]
  readonly leases?: readonly string[]
  readonly policies?: readonly string[]
  /** Entries up to this seq, inclusive: not below 0. */
  readonly lastSeq?: number
  /** Words that must all stand in the reasons, whole, in any case and order. */
  readonly words?: readonly string[]
}

export interface SearchCursor {
  readonly timeMs: number
  readonly seq: number
}

export interface SearchHit {
  readonly seq: number
  readonly leafHash: string
  readonly timeMs: number
  /** The entry's bytes as text: check them against the leaf hash before you believe the row. */
  readonly entry: string
  /** base64 */
  readonly signature: string
}

export interface SearchPage {
  /** Newest first: by (time, seq) descending. */
  readonly items: readonly SearchHit[]
  readonly next?: SearchCursor
  /** Every entry up to this seq is in the rows; -1 when none is. */
  readonly asOf: number
}

/**
 * Reading side. Throws `Fault('query-unavailable')` when ClickHouse does not answer in time, and
 * `Fault('invalid-request')` for a filter, limit or cursor that none of its makers gives.
 */
export interface EventSearch {
  /** `limit` is 1 to 1,000. An abort of `signal` ends the query in the server too. */
  search(
    ledger: string,
    filter: SearchFilter,
    limit: number,
    after?: SearchCursor,
    signal?: AbortSignal,
  ): Promise<SearchPage>
  /** Last seq whose row, and every row before it, is in; -1 before the first. */
  position(ledger: string): Promise<number>
  /** Resolves when position has reached `seq`, or after `timeoutMs`, whichever is first; true when it has. */
  reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean>
}

/** What is in the rows of one ledger. */
export interface Standing {
  /** Last seq of the run that begins at 0 and has no hole; -1 when there is none. */
  readonly position: number
  /**
   * Last seq of all: above `position` where a block got in by halves, or rows were taken away. 2^53-1 where somebody wrote
   * one from there on.
   */
  readonly last: number
}

/** The rows themselves, to be held against the log: `HeldRows`, and `rowsAgainst` for each and every one. */
export interface StoredRows {
  standing(ledger: string): Promise<Standing>
  /** Rows by seq, from inclusive, until exclusive; those of one seq stand together, a few of them. Keep it to some thousands. */
  rows(ledger: string, from: number, until: number): Promise<readonly Row[]>
  /** Seqs of the first `limit` rows from `from` on, ascending, up to the largest of a UInt64; none where there is no row. */
  seqs(ledger: string, from: bigint, limit: number): Promise<readonly bigint[]>
}

/**
 * Writing side, for followers. `insert` is idempotent: the same entries again, in whatever cut and by however many at once,
 * leave one row each. It takes contiguous entries that begin at `position + 1` or before, and is done when the
 * rows are in; when it fails, some may be, and the next call finds out.
 */
export interface RowSink {
  position(ledger: string): Promise<number>
  insert(ledger: string, entries: readonly StoredEntry[]): Promise<void>
  /** Removes every row of the ledger, to be filled again from the log. */
  remove(ledger: string): Promise<void>
}
