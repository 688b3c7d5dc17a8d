import type { Lease, LeaseFamily, LeasePages, LeaseTerms, Mark } from './lease-state.ts'
import { isExpired, type LeaseStatus, termsAt } from './leases.ts'
import { itemsOf, lastOf, lengthOf, newestFirst, type PageReader, type Pages } from './pages.ts'
import { type Told, told, type Violation, type ViolationMark } from './violations.ts'

/** A lease as it stood at a moment. */
export interface LeaseAt {
  readonly lease: LeaseSnapshot
  readonly status: LeaseStatus
  /** Uses counted up to that moment. */
  readonly invocationCount: number
}

/** Its identity, its terms then, and what had been done against it by then. */
export interface LeaseSnapshot extends LeaseTerms, Told {
  readonly leaseId: string
  readonly grantedSeq: number
  readonly grantedAtMs: number
}

/** How to look at leases, besides the moment. */
export interface Looking {
  /** Last entry that counts; all count without it. */
  readonly seqMax?: number
  /** Violations to tell at most, the newest; all without it. */
  readonly violationsMax?: number
  /** Where full pages are kept; without it, in the lease. */
  readonly pages?: LeasePages
}

/**
 * The lease as it stood at `atMs` by event time, and as far as entries up to `seqMax` said; `undefined` while it had not
 * been granted. Cost: linear in its uses, or violations, where some are later than that.
 */
export function leaseAt(lease: Lease, atMs: number, looking: Looking = {}): LeaseAt | undefined {
  const horizon = horizonOf(atMs, looking)
  if (lease.grantedAtMs > atMs || lease.grantedSeq > horizon.seqMax) return undefined
  return standing(lease, atMs, horizon)
}

/**
 * The lease at `nowMs`, with everything that is known of it, whatever moment it is dated: an emitter whose clock runs
 * ahead neither hides a grant nor saves a use. Only expiry looks at the clock. Cost: independent of its uses.
 */
export const leaseNow = (lease: Lease, nowMs: number, looking: Looking = {}): LeaseAt =>
  standing(lease, nowMs, horizonOf(Number.POSITIVE_INFINITY, looking))

/** What was said, up to a moment, of an id under which nothing had been granted. Cost: linear in all that was. */
export function strayViolations(
  family: LeaseFamily,
  atMs = Number.POSITIVE_INFINITY,
  { pages = noPages, ...looking }: Looking = {},
): Told {
  const read = (n: number) => pages.page('strays', family.leaseId, n)
  return violationsWithin(family.strays, Number.POSITIVE_INFINITY, horizonOf(atMs, looking), read)
}

/** The last moment and entry to look at, and how. */
interface Horizon extends Required<Looking> {
  readonly atMs: number
}

const noPages: LeasePages = {
  page: () => {
    throw new Error('A page of a lease is kept elsewhere, and nobody says where.')
  },
}

const horizonOf = (atMs: number, looking: Looking): Horizon => ({
  ...{ seqMax: Number.MAX_SAFE_INTEGER, violationsMax: Number.MAX_SAFE_INTEGER, pages: noPages },
  ...looking,
  atMs,
})

function standing(lease: Lease, atMs: number, horizon: Horizon): LeaseAt {
  const { leaseId, grantedSeq, grantedAtMs, violations, lastViolationMs = 0 } = lease
  const terms = termsAt(lease, horizon.atMs, horizon.pages, horizon.seqMax)
  const invocationCount = usesWithin(lease, horizon)
  const read = (n: number) => horizon.pages.page('violations', grantedSeq, n)
  return {
    lease: {
      ...{ ...terms, leaseId, grantedSeq, grantedAtMs },
      ...violationsWithin(violations, lastViolationMs, horizon, read),
    },
    status: statusOf(lease, terms, invocationCount, atMs, horizon),
    invocationCount,
  }
}

function statusOf(lease: Lease, terms: LeaseTerms, uses: number, atMs: number, horizon: Horizon): LeaseStatus {
  if (isEnded(lease, 'revoked', horizon)) return 'revoked'
  if (isEnded(lease, 'superseded', horizon)) return 'superseded'
  if (isExpired(terms, atMs)) return 'expired'
  if (terms.maxInvocations !== undefined && uses >= terms.maxInvocations) return 'exhausted'
  return 'active'
}

function isEnded(lease: Lease, how: 'revoked' | 'superseded', { atMs, seqMax, pages }: Horizon): boolean {
  const holds = (mark: Mark): boolean => mark.atMs <= atMs && mark.seq <= seqMax
  // Each is earlier than those before it, so those before add something only where the last is not known yet.
  const last = lastOf(lease[how])
  if (last === undefined || last.seq <= seqMax) return last !== undefined && holds(last)
  return itemsOf(lease[how], n => pages.page(how, lease.grantedSeq, n)).some(holds)
}

function usesWithin({ uses, lastUseMs, grantedSeq }: Lease, { atMs, seqMax, pages }: Horizon): number {
  const lastSeq = lastOf(uses)?.[0] ?? -1
  if ((lastUseMs ?? atMs) <= atMs && lastSeq <= seqMax) return lengthOf(uses)
  let count = 0
  for (const [seq, ms] of itemsOf(uses, n => pages.page('uses', grantedSeq, n))) {
    if (seq > seqMax) break
    if (ms <= atMs) count++
  }
  return count
}

/** The newest of the violations up to the horizon, and how many there are; `latestMs` is the latest of their times. */
function violationsWithin(
  marks: Pages<ViolationMark> | undefined,
  latestMs: number,
  { atMs, seqMax, violationsMax }: Horizon,
  read: PageReader<ViolationMark>,
): Told {
  const foundSeq = (mark: ViolationMark): number => mark.foundSeq ?? mark.seq
  const last = lastOf(marks)
  if (last === undefined) return { violations: [], violationCount: 0 }
  const within = (mark: ViolationMark): boolean => mark.atMs <= atMs && foundSeq(mark) <= seqMax
  const all = latestMs <= atMs && foundSeq(last) <= seqMax
  const newest: Violation[] = []
  let violationCount = all ? lengthOf(marks) : 0
  for (const mark of newestFirst(marks, read)) {
    if (all && newest.length === violationsMax) break
    if (!within(mark)) continue
    if (!all) violationCount += 1
    if (newest.length < violationsMax) newest.push(told(mark))
  }
  return { violations: newest.reverse(), violationCount }
}
