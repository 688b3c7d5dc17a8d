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
