import type { Pages } from './pages.ts'
import type { ViolationMark } from './violations.ts'

/** What the fold of leases remembers: families and leases, and behind them the full pages of their lists. */

/** What a lease allows, from one entry on. */
export interface LeaseTerms {
  readonly seq: number
  readonly atMs: number
  readonly principal: string
  readonly server: string
  readonly tools: readonly string[]
  /** As given. */
  readonly expiresAt: string
  /** First moment at which it no longer holds; absent where `expiresAt` is no date, and it then never held. */
  readonly expiresAtMs?: number
  /** Absent: without limit. */
  readonly maxInvocations?: number
  readonly stateChanging?: boolean
}

/** One lease: a grant, known by its seq, with what is remembered of it. Plain JSON: same history, same bytes. */
export interface Lease {
  readonly leaseId: string
  readonly grantedSeq: number
  readonly grantedAtMs: number
  /** As granted. */
  readonly granted: LeaseTerms
  /** Of all terms the last by (`atMs`, `seq`), where that is not those of the grant. */
  readonly latest?: LeaseTerms
  /** As altered since, by seq; one a page, for terms may be long. */
  readonly altered?: Pages<LeaseTerms>
  /** Uses by seq. */
  readonly uses?: Pages<Use>
  /** Latest event time of a use; absent before the first. */
  readonly lastUseMs?: number
  /** Entries that ended it, each earlier in event time than those before: what comes later adds nothing. */
  readonly revoked?: Pages<Mark>
  readonly superseded?: Pages<Mark>
  readonly violations?: Pages<ViolationMark>
  /** Latest event time of a violation; absent before the first. */
  readonly lastViolationMs?: number
}

/** An entry that tells of a use, and when it was by event time. */
export type Use = readonly [seq: number, atMs: number]

export interface Mark {
  readonly seq: number
  readonly atMs: number
}

/** What is known of one lease id. Plain JSON: same history, same bytes. */
export interface LeaseFamily {
  readonly leaseId: string
  /** The leases granted under it, by their `grantedSeq`. */
  readonly grants?: Pages<number>
  /** The source of the first event that used or cited a lease here: its decisions are remembered without it. */
  readonly source?: string
  /** Decisions whose use was counted (`u`) or whose citation was found wrong (`c`): short ones, until they are noted. */
  readonly recent?: readonly string[]
  /** Whether further decisions are noted beside the family. */
  readonly noted?: true
  /** What belongs to no lease, because none had been granted. */
  readonly strays?: Pages<ViolationMark>
}

/** Lists whose full pages may be kept apart: those of a lease belong to its `grantedSeq`, those of a family to its id. */
export interface LeaseLists {
  readonly altered: LeaseTerms
  readonly uses: Use
  readonly revoked: Mark
  readonly superseded: Mark
  readonly violations: ViolationMark
  readonly grants: number
  readonly strays: ViolationMark
}
export const leaseLists = ['altered', 'uses', 'revoked', 'superseded', 'violations'] as const
export const familyLists = ['grants', 'strays'] as const

/** Where full pages are. */
export interface LeasePages {
  page<List extends keyof LeaseLists>(list: List, of: number | string, n: number): readonly LeaseLists[List][]
}

/** What the fold may look up. Answers are never changed. */
export interface LeaseState extends LeasePages {
  family(leaseId: string): LeaseFamily | undefined
  lease(grantedSeq: number): Lease | undefined
  /** Whether a change has noted the decision. */
  isNoted(leaseId: string, decision: string): boolean
}

/** What one fact changes. */
export interface LeaseChange {
  readonly family?: LeaseFamily
  readonly leases: readonly Lease[]
  /** Decisions to be noted for the family. */
  readonly noted: readonly string[]
}
