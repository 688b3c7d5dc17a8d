import type {
  LeaseCited,
  LeaseClaim,
  LeaseFact,
  LeaseGranted,
  LeaseRevoked,
  LeaseSuperseded,
  LeaseUsed,
} from './lease-facts.ts'
import type { Lease, LeaseChange, LeaseFamily, LeasePages, LeaseState, LeaseTerms, Mark } from './lease-state.ts'
import { append, itemsOf, lastOf, lengthOf, newestFirst } from './pages.ts'
import { type LeaseViolationCode, mark, type ViolationMark } from './violations.ts'

export { type LeaseAt, leaseAt, leaseNow } from './lease-at.ts'
export { LeaseBook } from './lease-book.ts'
export { leaseFacts, leaseFactsIn } from './lease-facts.ts'
export type { Lease, LeaseFamily, LeaseState } from './lease-state.ts'

/** In order of precedence: when several hold, the first is the status. */
export const leaseStatuses = ['revoked', 'superseded', 'expired', 'exhausted', 'active'] as const
export type LeaseStatus = (typeof leaseStatuses)[number]

/**
 * What one more fact changes. Pure: nothing that `state` answers is changed, and it may come back from JSON. Facts have to
 * come in the order of their entries, each after the changes of the one before.
 *
 * Cost: independent of uses, violations and decisions; the leases of the id are looked at from the newest on until one
 * fits, all of them for a revocation. An end or a claim that is dated before what is known reads back as far as the start.
 */
export function evolve(state: LeaseState, fact: LeaseFact): LeaseChange {
  const family = state.family(fact.lease) ?? { leaseId: fact.lease }
  switch (fact.kind) {
    case 'granted':
      return fact.as === 'amendment' ? amend(state, family, fact) : grant(family, fact)
    case 'superseded':
      return supersede(state, family, fact)
    case 'used':
      return use(state, family, fact)
    case 'revoked':
      return revoke(state, family, fact)
    case 'cited':
      return cite(state, family, fact)
    default:
      return fact satisfies never
  }
}

const none: readonly never[] = []
const unchanged: LeaseChange = { leases: none, noted: none }

/**
 * The terms in force at `atMs` as far as entries up to `seqMax` say; before the first, those of the grant. Cost: linear in
 * the alterations where the last of them is too late.
 */
export function termsAt(lease: Lease, atMs: number, pages: LeasePages, seqMax = Number.MAX_SAFE_INTEGER): LeaseTerms {
  const { granted, latest, altered, grantedSeq } = lease
  if (altered === undefined) return granted
  const last = latest ?? granted
  if (last.atMs <= atMs && last.seq <= seqMax) return last
  let found: LeaseTerms | undefined
  const consider = (terms: LeaseTerms): void => {
    if (terms.atMs <= atMs && terms.seq <= seqMax && (found === undefined || terms.atMs >= found.atMs)) found = terms
  }
  consider(granted)
  for (const terms of itemsOf(altered, n => pages.page('altered', grantedSeq, n))) consider(terms)
  return found ?? granted
}

function grant(family: LeaseFamily, { lease: leaseId, seq, atMs, terms, as }: LeaseGranted): LeaseChange {
  const lease: Lease = { leaseId, grantedSeq: seq, grantedAtMs: atMs, granted: terms }
  const reused = as === 'grant' && family.grants !== undefined
  const granted = reused ? blame(lease, mark('lease-id-reused', seq, atMs)) : lease
  return { family: { ...family, grants: append(family.grants, seq) }, leases: [granted], noted: none }
}

function amend(state: LeaseState, family: LeaseFamily, fact: LeaseGranted): LeaseChange {
  const { terms, seq, atMs } = fact
  const { lease } = choose(state, family, { principal: terms.principal, server: terms.server }, atMs)
  if (lease === undefined) {
    const { leases, ...change } = grant(family, { ...fact, as: 'grant' })
    return { ...change, leases: leases.map(one => blame(one, mark('alteration-of-unknown-lease', seq, atMs))) }
  }
  const altered = append(lease.altered, terms, 1)
  const isLatest = terms.atMs >= (lease.latest ?? lease.granted).atMs
  const after: Lease = isLatest ? { ...lease, latest: terms, altered } : { ...lease, altered }
  return changed(blame(after, mark('lease-altered', seq, atMs)))
}

function supersede(state: LeaseState, family: LeaseFamily, { seq, atMs, claim, by }: LeaseSuperseded): LeaseChange {
  const { lease, misfits } = choose(state, family, claim, atMs)
  if (lease === undefined) return stray(family, mark('renewal-of-unknown-lease', seq, atMs, by))
  const ended = end(state, lease, 'superseded', { seq, atMs })
  return changed(misfits === '' ? ended : blame(ended, mark('renewal-does-not-fit', seq, atMs, misfits)))
}

/** A revocation ends every lease that it may mean. */
function revoke(state: LeaseState, family: LeaseFamily, { seq, atMs, claim }: LeaseRevoked): LeaseChange {
  const { lease, misfits } = choose(state, family, claim, atMs)
  if (lease === undefined) return stray(family, mark('revocation-of-unknown-lease', seq, atMs))
  const at: Mark = { seq, atMs }
  if (misfits !== '') {
    return changed(blame(end(state, lease, 'revoked', at), mark('revocation-does-not-fit', seq, atMs, misfits)))
  }
  const leases: Lease[] = []
  for (const other of leasesOf(state, family)) {
    const isMeant =
      other.grantedSeq === lease.grantedSeq ||
      (other.grantedAtMs <= atMs && misfitsOf(termsAt(other, atMs, state), claim) === '')
    const ended = isMeant ? end(state, other, 'revoked', at) : other
    if (ended !== other) leases.push(ended)
  }
  return { leases, noted: none }
}

function use(state: LeaseState, family: LeaseFamily, fact: LeaseUsed): LeaseChange {
  const { seq, atMs, claim } = fact
  const counted =
    fact.decisionId === undefined
      ? { family, leases: none, noted: none }
      : remember(state, family, 'u', fact.source, fact.decisionId)
  if (counted === undefined) return unchanged
  const { lease, misfits } = choose(state, counted.family, claim, atMs)
  if (lease === undefined) {
    return { ...stray(counted.family, mark('use-of-unknown-lease', seq, atMs)), noted: counted.noted }
  }
  return { ...counted, leases: [useOf(state, lease, seq, atMs, misfits)] }
}

function useOf(state: LeaseState, lease: Lease, seq: number, atMs: number, misfits: string): Lease {
  const terms = termsAt(lease, atMs, state)
  const uses = append(lease.uses, [seq, atMs])
  const codes: LeaseViolationCode[] = []
  if (atMs < lease.grantedAtMs) codes.push('use-before-grant')
  if (earliestOf(lease, 'revoked') <= atMs) codes.push('use-after-revocation')
  if (earliestOf(lease, 'superseded') <= atMs) codes.push('use-after-supersede')
  if (isExpired(terms, atMs)) codes.push('use-after-expiry')
  if (isOver(terms, lengthOf(uses))) codes.push('over-use')
  let after: Lease = { ...lease, uses, lastUseMs: Math.max(lease.lastUseMs ?? atMs, atMs) }
  if (misfits !== '') after = blame(after, mark('use-does-not-fit', seq, atMs, misfits))
  for (const code of codes) after = blame(after, mark(code, seq, atMs))
  return after
}

function cite(state: LeaseState, family: LeaseFamily, fact: LeaseCited): LeaseChange {
  const { seq, atMs, claim, source, decisionId, decision } = fact
  const { lease, misfits } = choose(state, family, claim, atMs)
  if (lease !== undefined && misfits === '') return unchanged
  // A decision told twice, by the event and by the record, is wrong once.
  const noted = remember(state, family, 'c', source, decisionId)
  if (noted === undefined) return unchanged
  const about = [misfits, decision === undefined ? '' : `decided ${decision}`].filter(Boolean).join('; ')
  if (lease === undefined) {
    return { ...stray(noted.family, mark('decision-cites-unknown-lease', seq, atMs, about)), noted: noted.noted }
  }
  return { ...noted, leases: [blame(lease, mark('decision-does-not-fit', seq, atMs, about))] }
}

/** Whether `atMs` is at or past what the terms allow. */
export const isExpired = ({ expiresAtMs }: LeaseTerms, atMs: number): boolean =>
  expiresAtMs === undefined || atMs >= expiresAtMs

/** Whether `uses` are more than the terms allow. */
const isOver = ({ maxInvocations = Number.POSITIVE_INFINITY }: LeaseTerms, uses: number): boolean =>
  uses > maxInvocations

/** The leases of a family, the newest first. */
function* leasesOf(state: LeaseState, { grants, leaseId }: LeaseFamily): Generator<Lease> {
  for (const seq of newestFirst(grants, n => state.page('grants', leaseId, n))) {
    const lease = state.lease(seq)
    if (lease !== undefined) yield lease
  }
}

/**
 * The lease that a claim is about: of those whose terms fit, the newest that had been granted by then, or else the newest;
 * where none fits, the newest, and what does not fit. No lease where there is none at all.
 */
function choose(
  state: LeaseState,
  family: LeaseFamily,
  claim: LeaseClaim,
  atMs: number,
): { lease: Lease | undefined; misfits: string } {
  let newest: Lease | undefined
  let fitting: Lease | undefined
  for (const lease of leasesOf(state, family)) {
    newest ??= lease
    if (misfitsOf(termsAt(lease, atMs, state), claim) !== '') continue
    if (lease.grantedAtMs <= atMs) return { lease, misfits: '' }
    fitting ??= lease
  }
  if (fitting !== undefined) return { lease: fitting, misfits: '' }
  return { lease: newest, misfits: newest === undefined ? '' : misfitsOf(termsAt(newest, atMs, state), claim) }
}

/** What of a claim is outside the terms; what was not said is not held against it. */
function misfitsOf({ principal, server, tools }: LeaseTerms, claim: LeaseClaim): string {
  const misfits: string[] = []
  if (claim.principal !== undefined && claim.principal !== principal) misfits.push('principal')
  if (claim.server !== undefined && claim.server !== server) misfits.push('server')
  if (claim.tool !== undefined && !tools.includes(claim.tool)) misfits.push('tool')
  return misfits.join(', ')
}

/** When it was ended, as far as is known. */
const earliestOf = (lease: Lease, how: 'revoked' | 'superseded'): number =>
  lastOf(lease[how])?.atMs ?? Number.POSITIVE_INFINITY

/** The lease ended at a mark; uses that are dated after it, and came before it, are blamed now. */
function end(pages: LeasePages, lease: Lease, how: 'revoked' | 'superseded', at: Mark): Lease {
  const earliest = earliestOf(lease, how)
  if (at.atMs >= earliest) return lease
  let after: Lease = { ...lease, [how]: append(lease[how], at) }
  if ((lease.lastUseMs ?? Number.NEGATIVE_INFINITY) < at.atMs) return after
  const code = how === 'revoked' ? 'use-after-revocation' : 'use-after-supersede'
  for (const [seq, atMs] of itemsOf(lease.uses, n => pages.page('uses', lease.grantedSeq, n))) {
    if (atMs >= at.atMs && atMs < earliest) after = blame(after, { code, seq, atMs, foundSeq: at.seq })
  }
  return after
}

const changed = (lease: Lease): LeaseChange => ({ leases: [lease], noted: none })

const blame = (lease: Lease, found: ViolationMark): Lease => ({
  ...lease,
  violations: append(lease.violations, found),
  lastViolationMs: Math.max(lease.lastViolationMs ?? found.atMs, found.atMs),
})

const stray = (family: LeaseFamily, found: ViolationMark): LeaseChange => ({
  family: { ...family, strays: append(family.strays, found) },
  leases: none,
  noted: none,
})

/** Decisions that a family remembers itself, and how long each is at most: beyond that they are noted beside it. */
const recentMax = 64
const recentLengthMax = 64

/** The family with the decision remembered, or `undefined` when it was already. Decision ids are their source's own. */
function remember(
  state: LeaseState,
  family: LeaseFamily,
  what: 'u' | 'c',
  source: string,
  decisionId: string,
): (LeaseChange & { readonly family: LeaseFamily }) | undefined {
  const { source: home = source, recent = none, noted, leaseId } = family
  const decision = what + (source === home ? ` ${decisionId}` : JSON.stringify([source, decisionId]))
  if (recent.includes(decision) || (noted && state.isNoted(leaseId, decision))) return undefined
  const after = { ...family, source: home }
  if (decision.length > recentLengthMax) return { family: { ...after, noted: true }, leases: none, noted: [decision] }
  if (recent.length < recentMax)
    return { family: { ...after, recent: [...recent, decision] }, leases: none, noted: none }
  return { family: { ...after, recent: [decision], noted: true }, leases: none, noted: recent }
}
