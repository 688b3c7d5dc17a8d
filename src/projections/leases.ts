import type {
  LeaseCited,
  LeaseClaim,
  LeaseFact,
  LeaseGranted,
  LeaseRevoked,
  LeaseSuperseded,
  LeaseUsed,
} from './lease-facts.ts'
import { append, include, itemsOf, lengthOf, noPages, type Pages, type TextSet } from './pages.ts'
import type { LeaseViolationCode, ViolationMark } from './violations.ts'

export { type LeaseAt, leaseAt, leaseNow } from './lease-at.ts'
export { leaseFacts, leaseFactsIn } from './lease-facts.ts'

/** In order of precedence: when several hold, the first is the status. */
export const leaseStatuses = ['revoked', 'superseded', 'expired', 'exhausted', 'active'] as const
export type LeaseStatus = (typeof leaseStatuses)[number]

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

/** One lease: a grant, known by its seq, with all that is remembered of it. */
export interface Lease {
  readonly leaseId: string
  readonly grantedSeq: number
  readonly grantedAtMs: number
  /** As granted and as altered since, by (`atMs`, `seq`). */
  readonly terms: readonly [LeaseTerms, ...LeaseTerms[]]
  /** Uses by seq: the entry and the event's time. */
  readonly uses: Pages<readonly [seq: number, atMs: number]>
  /** Latest event time of a use; absent before the first. */
  readonly lastUseMs?: number
  /** Entries that ended it, each earlier in event time than those before: what comes later adds nothing. */
  readonly revoked: readonly Mark[]
  readonly superseded: readonly Mark[]
  readonly violations: Pages<ViolationMark>
}

export interface Mark {
  readonly seq: number
  readonly atMs: number
}

/** All leases granted under one id, and what was said about that id. Plain JSON: same history, same bytes. */
export interface LeaseFamily {
  readonly leaseId: string
  /** By `grantedSeq`. */
  readonly leases: readonly Lease[]
  /** The source of the first event that used or cited a lease here: its decisions are remembered without it. */
  readonly source?: string
  /** Decisions whose use was counted (`u`) or whose citation was found wrong (`c`). */
  readonly decisions: TextSet
  /** What belongs to no lease, because none had been granted. */
  readonly strays: Pages<ViolationMark>
}

/**
 * The family after one more fact of its id. Pure: nothing given to it is changed, and a family may come back from JSON.
 * Facts have to come in the order of their entries. Cost: independent of the number of uses; linear in the grants and
 * alterations under this id, and in the uses only for an end that is dated before the last of them.
 */
export function evolve(family: LeaseFamily | undefined, fact: LeaseFact): LeaseFamily {
  const before = family ?? { leaseId: fact.lease, leases: [], decisions: [], strays: noPages }
  switch (fact.kind) {
    case 'granted':
      return fact.as === 'amendment' ? amend(before, fact) : grant(before, fact)
    case 'superseded':
      return supersede(before, fact)
    case 'used':
      return use(before, fact)
    case 'revoked':
      return revoke(before, fact)
    case 'cited':
      return cite(before, fact)
    default:
      return fact satisfies never
  }
}

/** The terms in force at `atMs` as far as entries up to `seqMax` say; before the first, those of the grant. */
export function termsAt({ terms, grantedSeq }: Lease, atMs: number, seqMax = Number.MAX_SAFE_INTEGER): LeaseTerms {
  const inForce = terms.findLast(one => one.atMs <= atMs && one.seq <= seqMax)
  return inForce ?? terms.find(one => one.seq === grantedSeq) ?? terms[0]
}

function grant(family: LeaseFamily, { lease: leaseId, seq, atMs, terms, as }: LeaseGranted): LeaseFamily {
  const lease: Lease = {
    leaseId,
    grantedSeq: seq,
    grantedAtMs: atMs,
    terms: [terms],
    uses: noPages,
    revoked: [],
    superseded: [],
    violations: noPages,
  }
  const reused = as === 'grant' && family.leases.length > 0
  return {
    ...family,
    leases: [...family.leases, reused ? blame(lease, { code: 'lease-id-reused', seq, atMs }) : lease],
  }
}

function amend(family: LeaseFamily, fact: LeaseGranted): LeaseFamily {
  const { terms, seq, atMs } = fact
  const { index } = choose(family, { principal: terms.principal, server: terms.server }, atMs)
  if (index < 0) {
    const granted = grant(family, { ...fact, as: 'grant' })
    return update(granted, 0, lease => blame(lease, { code: 'alteration-of-unknown-lease', seq, atMs }))
  }
  return update(family, index, lease => {
    const later = lease.terms.findIndex(one => one.atMs > atMs)
    const at = later < 0 ? lease.terms.length : later
    const [first = terms, ...others] = lease.terms.toSpliced(at, 0, terms)
    return blame({ ...lease, terms: [first, ...others] }, { code: 'lease-altered', seq, atMs })
  })
}

function supersede(family: LeaseFamily, { seq, atMs, claim, by }: LeaseSuperseded): LeaseFamily {
  const { index, misfits } = choose(family, claim, atMs)
  if (index < 0) return stray(family, { code: 'renewal-of-unknown-lease', seq, atMs, about: by })
  return update(family, index, lease => {
    const ended = end(lease, 'superseded', { seq, atMs })
    return misfits === '' ? ended : blame(ended, { code: 'renewal-does-not-fit', seq, atMs, about: misfits })
  })
}

/** A revocation ends every lease that it may mean. */
function revoke(family: LeaseFamily, { seq, atMs, claim }: LeaseRevoked): LeaseFamily {
  const { index, misfits } = choose(family, claim, atMs)
  if (index < 0) return stray(family, { code: 'revocation-of-unknown-lease', seq, atMs })
  if (misfits !== '') {
    const mark: ViolationMark = { code: 'revocation-does-not-fit', seq, atMs, about: misfits }
    return update(family, index, lease => blame(end(lease, 'revoked', { seq, atMs }), mark))
  }
  const isMeant = (lease: Lease, n: number) =>
    n === index || (lease.grantedAtMs <= atMs && misfitsOf(termsAt(lease, atMs), claim) === '')
  const leases = family.leases.map((lease, n) => (isMeant(lease, n) ? end(lease, 'revoked', { seq, atMs }) : lease))
  return { ...family, leases }
}

function use(family: LeaseFamily, fact: LeaseUsed): LeaseFamily {
  const { seq, atMs, claim } = fact
  const counted = fact.decisionId === undefined ? family : remember(family, 'u', fact.source, fact.decisionId)
  if (counted === undefined) return family
  const { index, misfits } = choose(counted, claim, atMs)
  if (index < 0) return stray(counted, { code: 'use-of-unknown-lease', seq, atMs })
  return update(counted, index, lease => useOf(lease, seq, atMs, misfits))
}

function useOf(lease: Lease, seq: number, atMs: number, misfits: string): Lease {
  const terms = termsAt(lease, atMs)
  const uses = append(lease.uses, [seq, atMs])
  const codes: LeaseViolationCode[] = []
  if (atMs < lease.grantedAtMs) codes.push('use-before-grant')
  if (isEnded(lease.revoked, atMs)) codes.push('use-after-revocation')
  if (isEnded(lease.superseded, atMs)) codes.push('use-after-supersede')
  if (isExpired(terms, atMs)) codes.push('use-after-expiry')
  if (isOver(terms, lengthOf(uses))) codes.push('over-use')
  let after: Lease = { ...lease, uses, lastUseMs: Math.max(lease.lastUseMs ?? atMs, atMs) }
  if (misfits !== '') after = blame(after, { code: 'use-does-not-fit', seq, atMs, about: misfits })
  for (const code of codes) after = blame(after, { code, seq, atMs })
  return after
}

function cite(family: LeaseFamily, { seq, atMs, claim, source, decisionId, decision }: LeaseCited): LeaseFamily {
  const { index, misfits } = choose(family, claim, atMs)
  if (index >= 0 && misfits === '') return family
  // A decision told twice, by the event and by the record, is wrong once.
  const noted = remember(family, 'c', source, decisionId)
  if (noted === undefined) return family
  const about = [misfits, decision === undefined ? '' : `decided ${decision}`].filter(Boolean).join('; ')
  const mark = { seq, atMs, ...(about === '' ? {} : { about }) }
  if (index < 0) return stray(noted, { code: 'decision-cites-unknown-lease', ...mark })
  return update(noted, index, lease => blame(lease, { code: 'decision-does-not-fit', ...mark }))
}

/** Whether `atMs` is at or past what the terms allow. */
export const isExpired = ({ expiresAtMs }: LeaseTerms, atMs: number): boolean =>
  expiresAtMs === undefined || atMs >= expiresAtMs

/** Whether `uses` are more than the terms allow. */
const isOver = ({ maxInvocations = Number.POSITIVE_INFINITY }: LeaseTerms, uses: number): boolean =>
  uses > maxInvocations

/** Whether one of the marks stands at or before `atMs`. */
const isEnded = (marks: readonly Mark[], atMs: number): boolean =>
  (marks.at(-1)?.atMs ?? Number.POSITIVE_INFINITY) <= atMs

/**
 * The lease that a claim is about: of those whose terms fit, the newest that had been granted by then, or else the newest;
 * where none fits, the newest, and what does not fit. `-1` where there is none at all.
 */
function choose({ leases }: LeaseFamily, claim: LeaseClaim, atMs: number): { index: number; misfits: string } {
  let fitting = -1
  for (let index = leases.length - 1; index >= 0; index--) {
    const lease = leases[index]
    if (lease === undefined || misfitsOf(termsAt(lease, atMs), claim) !== '') continue
    if (lease.grantedAtMs <= atMs) return { index, misfits: '' }
    if (fitting < 0) fitting = index
  }
  if (fitting >= 0) return { index: fitting, misfits: '' }
  const newest = leases.at(-1)
  const misfits = newest === undefined ? '' : misfitsOf(termsAt(newest, atMs), claim)
  return { index: leases.length - 1, misfits }
}

/** What of a claim is outside the terms; what was not said is not held against it. */
function misfitsOf({ principal, server, tools }: LeaseTerms, claim: LeaseClaim): string {
  const misfits: string[] = []
  if (claim.principal !== undefined && claim.principal !== principal) misfits.push('principal')
  if (claim.server !== undefined && claim.server !== server) misfits.push('server')
  if (claim.tool !== undefined && !tools.includes(claim.tool)) misfits.push('tool')
  return misfits.join(', ')
}

/** The lease ended at a mark; uses that are dated after it, and came before it, are blamed now. */
function end(lease: Lease, how: 'revoked' | 'superseded', mark: Mark): Lease {
  const earliest = lease[how].at(-1)?.atMs ?? Number.POSITIVE_INFINITY
  if (mark.atMs >= earliest) return lease
  let after: Lease = { ...lease, [how]: [...lease[how], mark] }
  if ((lease.lastUseMs ?? Number.NEGATIVE_INFINITY) < mark.atMs) return after
  const code = how === 'revoked' ? 'use-after-revocation' : 'use-after-supersede'
  for (const [seq, atMs] of itemsOf(lease.uses)) {
    if (atMs >= mark.atMs && atMs < earliest) {
      after = blame(after, { code, seq, atMs, foundSeq: mark.seq })
    }
  }
  return after
}

const update = (family: LeaseFamily, index: number, change: (lease: Lease) => Lease): LeaseFamily => {
  const lease = family.leases[index]
  return lease === undefined ? family : { ...family, leases: family.leases.with(index, change(lease)) }
}

const blame = (lease: Lease, mark: ViolationMark): Lease => ({ ...lease, violations: append(lease.violations, mark) })

const stray = (family: LeaseFamily, mark: ViolationMark): LeaseFamily => ({
  ...family,
  strays: append(family.strays, mark),
})

/** The family with the decision remembered, or `undefined` when it was already. Decision ids are their source's own. */
function remember(family: LeaseFamily, what: 'u' | 'c', source: string, decisionId: string): LeaseFamily | undefined {
  const home = family.source ?? source
  const id = source === home ? ` ${decisionId}` : JSON.stringify([source, decisionId])
  const decisions = include(family.decisions, what + id)
  return decisions === undefined ? undefined : { ...family, source: home, decisions }
}
