/** What emitters did that their leases do not cover: one closed table, in the words that people read. */
export const leaseViolations = {
  'over-use': 'used more often than it allows',
  'use-after-expiry': 'used at or after its expiry',
  'use-after-revocation': 'used after it was revoked',
  'use-after-supersede': 'used after another lease had taken its place',
  'use-before-grant': 'used before it was granted',
  'use-does-not-fit': 'used outside its terms',
  'use-of-unknown-lease': 'used, and nobody had granted a lease of this id',
  'decision-does-not-fit': 'cited by a decision outside its terms',
  'decision-cites-unknown-lease': 'cited by a decision, and nobody had granted a lease of this id',
  'lease-id-reused': 'granted under an id that another lease has',
  'lease-altered': 'its terms were changed after it was granted',
  'alteration-of-unknown-lease': 'changed, and nobody had granted a lease of this id',
  'renewal-of-unknown-lease': 'renewed, and nobody had granted a lease of this id',
  'renewal-does-not-fit': 'renewed by a lease of other terms',
  'revocation-of-unknown-lease': 'revoked, and nobody had granted a lease of this id',
  'revocation-does-not-fit': 'revoked in another name than it was granted in',
} as const

export type LeaseViolationCode = keyof typeof leaseViolations

/** A violation as the fold keeps it. */
export interface ViolationMark {
  readonly code: LeaseViolationCode
  /** The entry that offends. */
  readonly seq: number
  /** When, by event time. */
  readonly atMs: number
  /** The later entry that showed it, where it was not the offending one. */
  readonly foundSeq?: number
  /** What it is about: the members that do not fit, or the other lease. */
  readonly about?: string
}

/** Characters of `about` that are kept: what a record says there is as long as the record. */
const aboutLengthMax = 200

/** A mark of the offending entry at `seq`. */
export function mark(code: LeaseViolationCode, seq: number, atMs: number, about = ''): ViolationMark {
  if (about === '') return { code, seq, atMs }
  if (about.length <= aboutLengthMax) return { code, seq, atMs, about }
  return { code, seq, atMs, about: `${about.slice(0, aboutLengthMax - 1).toWellFormed()}…` }
}

/** Violations as they are told: the newest, in the order in which they were found, and how many there are in all. */
export interface Told {
  readonly violations: readonly Violation[]
  readonly violationCount: number
}

/** A violation as it is told. */
export interface Violation {
  readonly code: LeaseViolationCode
  readonly seq: number
  readonly atMs: number
  readonly detail: string
}

export const told = ({ code, seq, atMs, about, foundSeq }: ViolationMark): Violation => ({
  code,
  seq,
  atMs,
  detail: `${leaseViolations[code]}${about === undefined ? '' : `: ${about}`}${foundSeq === undefined ? '' : `; shown by the entry at seq ${foundSeq}`}`,
})
