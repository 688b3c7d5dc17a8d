import {
  isExpired,
  type Lease,
  type LeaseFamily,
  type LeaseStatus,
  type LeaseTerms,
  type Mark,
  termsAt,
} from './leases.ts'
import { itemsOf, lengthOf } from './pages.ts'
import { told, type Violation } from './violations.ts'

/** A lease as it stood at a moment. */
export interface LeaseAt {
  readonly lease: LeaseSnapshot
  readonly status: LeaseStatus
  /** Uses counted up to that moment. */
  readonly invocationCount: number
}

/** Its identity, its terms then, and what had been done against it by then. */
export interface LeaseSnapshot extends LeaseTerms {
  readonly leaseId: string
  readonly grantedSeq: number
  readonly grantedAtMs: number
  /** In the order in which they were found. */
  readonly violations: readonly Violation[]
}

/**
 * The lease as it stood at `atMs` by event time, and as far as entries up to `seqMax` said; `undefined` while it had not
 * been granted. Cost: linear in its uses where some are later than that.
 */
export function leaseAt(lease: Lease, atMs: number, seqMax = Number.MAX_SAFE_INTEGER): LeaseAt | undefined {
  if (lease.grantedAtMs > atMs || lease.grantedSeq > seqMax) return undefined
  return standing(lease, atMs, { atMs, seqMax })
}

/**
 * The lease at `nowMs`, with everything that is known of it, whatever moment it is dated: an emitter whose clock runs
 * ahead neither hides a grant nor saves a use. Only expiry looks at the clock.
 */
export const leaseNow = (lease: Lease, nowMs: number): LeaseAt =>
  standing(lease, nowMs, { atMs: Number.POSITIVE_INFINITY, seqMax: Number.MAX_SAFE_INTEGER })

/** What was said of an id under which nothing had been granted. */
export const strayViolations = (family: LeaseFamily): readonly Violation[] => [...itemsOf(family.strays)].map(told)

/** The last moment and entry to look at. */
interface Horizon {
  readonly atMs: number
  readonly seqMax: number
}

function standing(lease: Lease, atMs: number, horizon: Horizon): LeaseAt {
  const terms = termsAt(lease, horizon.atMs, horizon.seqMax)
  const invocationCount = usesWithin(lease, horizon)
  const { leaseId, grantedSeq, grantedAtMs } = lease
  const violations = [...itemsOf(lease.violations)]
    .filter(mark => mark.atMs <= horizon.atMs && (mark.foundSeq ?? mark.seq) <= horizon.seqMax)
    .map(told)
  return {
    lease: { ...terms, leaseId, grantedSeq, grantedAtMs, violations },
    status: statusOf(lease, terms, invocationCount, atMs, horizon),
    invocationCount,
  }
}

function statusOf(lease: Lease, terms: LeaseTerms, uses: number, atMs: number, horizon: Horizon): LeaseStatus {
  if (holds(lease.revoked, horizon)) return 'revoked'
  if (holds(lease.superseded, horizon)) return 'superseded'
  if (isExpired(terms, atMs)) return 'expired'
  if (terms.maxInvocations !== undefined && uses >= terms.maxInvocations) return 'exhausted'
  return 'active'
}

const holds = (marks: readonly Mark[], { atMs, seqMax }: Horizon): boolean =>
  marks.some(mark => mark.atMs <= atMs && mark.seq <= seqMax)

function usesWithin({ uses, lastUseMs }: Lease, { atMs, seqMax }: Horizon): number {
  const lastSeq = (uses.tail.at(-1) ?? uses.full.at(-1)?.at(-1))?.[0] ?? -1
  if ((lastUseMs ?? atMs) <= atMs && lastSeq <= seqMax) return lengthOf(uses)
  let count = 0
  for (const [seq, ms] of itemsOf(uses)) {
    if (seq > seqMax) break
    if (ms <= atMs) count++
  }
  return count
}
