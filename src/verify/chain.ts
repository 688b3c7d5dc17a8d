import type { EntryFrame, LeafHash } from '../ledger/entry.ts'
import { zeroHash } from '../ledger/entry.ts'
import type { Remark } from './findings.ts'
import type { SourceEntry } from './port.ts'

/** Where a walk along a ledger stands: what the next entry has to follow. */
export interface Walk {
  /** Seq that is expected next. */
  next: number
  leafHash: LeafHash
  recordedAt: string
}

/** A walk that has seen nothing. */
export const newWalk = (): Walk => ({ next: 0, leafHash: zeroHash, recordedAt: '' })

/** What linking says of one entry. */
export interface Link {
  /** The place it is judged at. */
  readonly seq: number
  /** Whether it takes its place in the chain; an entry that stands again, or too late, does not. */
  readonly placed: boolean
  readonly remarks: readonly Remark[]
  /** Findings about places before `seq`, where entries are missing. */
  readonly gap?: { readonly seq: number; readonly remark: Remark }
}

const nothing: readonly Remark[] = []

/**
 * Puts one entry behind the walk, and moves the walk on. `leafHash` is that of the entry's bytes, `frame` what could be
 * read of them. Cost: some comparisons.
 *
 * After a fault it goes on from what it found, so that one change is not reported for every entry that follows: behind a
 * gap the chain cannot be judged until the next entry; an entry that stands again moves nothing.
 */
export function link(
  walk: Walk,
  ledger: string,
  entry: SourceEntry,
  frame: EntryFrame | undefined,
  leafHash: LeafHash,
): Link {
  const expected = walk.next
  const claimed = entry.seq ?? placeOf(walk, frame)
  if (claimed < expected) {
    const cause = 'An entry with this seq was passed already.'
    const remark: Remark = { code: 'seq-repeated', cause, expected: `seq ${expected}`, found: `seq ${claimed}` }
    return { seq: expected, placed: false, remarks: [remark] }
  }
  const skipped = claimed > expected
  const remarks = frame === undefined ? nothing : compare(walk, ledger, claimed, frame, skipped)
  walk.next = claimed + 1
  walk.leafHash = leafHash
  if (frame !== undefined) walk.recordedAt = frame.recorded_at
  if (!skipped) return { seq: claimed, placed: true, remarks }
  const count = claimed - expected
  const cause = count === 1 ? 'One entry is missing.' : `${count} entries are missing.`
  const remark: Remark = { code: 'seq-gap', cause, expected: `seq ${expected}`, found: `seq ${claimed}` }
  return { seq: claimed, placed: true, remarks, gap: { seq: expected, remark } }
}

/** The place of an entry whose source does not number: its own word, unless it follows the walk and so belongs here. */
const placeOf = (walk: Walk, frame: EntryFrame | undefined): number =>
  frame === undefined || frame.prev === walk.leafHash ? walk.next : frame.seq

function compare(walk: Walk, ledger: string, seq: number, frame: EntryFrame, skipped: boolean): readonly Remark[] {
  if (
    frame.seq === seq &&
    frame.ledger === ledger &&
    frame.prev === walk.leafHash &&
    frame.recorded_at >= walk.recordedAt
  ) {
    return nothing
  }
  const remarks: Remark[] = []
  if (frame.seq !== seq) {
    const cause = 'The entry names another seq than its place has.'
    remarks.push({ code: 'seq-mismatch', cause, expected: `seq ${seq}`, found: `seq ${frame.seq}` })
  }
  if (frame.ledger !== ledger) {
    const cause = 'The entry names another ledger.'
    remarks.push({ code: 'ledger-mismatch', cause, expected: ledger, found: frame.ledger })
  }
  if (frame.prev !== walk.leafHash && !skipped) {
    const cause =
      seq === 0
        ? 'The first entry follows nothing, so its prev is zeros.'
        : `Its prev is not the leaf hash of entry ${seq - 1}: this entry or the one before is not what was sealed.`
    remarks.push({ code: 'chain-broken', cause, expected: walk.leafHash, found: frame.prev })
  }
  if (frame.recorded_at < walk.recordedAt) {
    const cause = 'The entry before was recorded later than this one.'
    remarks.push({
      code: 'recorded-at-backwards',
      cause,
      expected: `${walk.recordedAt} or later`,
      found: frame.recorded_at,
    })
  }
  return remarks
}
