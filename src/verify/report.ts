import { type Axis, axes, type Finding, type FindingCode, findingKinds } from './findings.ts'

/** What a check of one kind came to. What was not checked, or not wholly, is INCOMPLETE and never PASS. */
export type AxisStatus = 'PASS' | 'FAIL' | 'INCOMPLETE'

/**
 * What it all comes to. `verified`: every entry is structured, signed under trusted keys, chained and sensible, and all
 * that was pinned is there. `tampered`: some finding fails. `incomplete`: something asked for could not be checked.
 * `policy-unmet`: verified, but not what was required. `nothing`: no entry, and none was expected.
 */
export const verdicts = ['verified', 'nothing', 'policy-unmet', 'incomplete', 'tampered'] as const
export type Verdict = (typeof verdicts)[number]

export interface AxisResult {
  readonly status: AxisStatus
  /** Why it is not PASS, or how far the PASS reaches. */
  readonly note: string
}

/** The outcome for one ledger. */
export interface LedgerReport {
  readonly ledger: string
  readonly verdict: Verdict
  readonly axes: Readonly<Record<Axis, AxisResult>>
  /** Entries looked at. */
  readonly entries: number
  readonly signaturesChecked: number
  /** The last entry in place: what to pin next time. Absent in an empty ledger. */
  readonly head?: { readonly seq: number; readonly leafHash: string; readonly recordedAt: string }
  /** The first place at which something fails. */
  readonly firstBadSeq?: number
  /** Findings by code, all of them. */
  readonly counts: Readonly<Partial<Record<FindingCode, number>>>
  /** Findings that were counted and not told, being more than the bound of their code. */
  readonly withheld: number
  /** What of the policy is not met. */
  readonly unmet: readonly string[]
}

/** What is required beyond being sound. */
export interface Policy {
  /** A head or checkpoint must have been pinned, and be there. */
  readonly requireHead?: boolean
  readonly entriesMin?: number
}

/** What the verifier did, from which a report is made. */
export interface Facts {
  readonly ledger: string
  readonly entries: number
  readonly signaturesChecked: number
  readonly headPinned: boolean
  /** What was pinned, in words. */
  readonly pinned: readonly string[]
  readonly head: { readonly seq: number; readonly leafHash: string; readonly recordedAt: string } | undefined
  readonly firstBadSeq: number | undefined
  readonly counts: Readonly<Partial<Record<FindingCode, number>>>
  readonly withheld: number
}

export function reportOf(facts: Facts, policy: Policy): LedgerReport {
  const { ledger, entries, signaturesChecked, counts, withheld, head, firstBadSeq } = facts
  const results = Object.fromEntries(axes.map(axis => [axis, axisResult(axis, facts)])) as Record<Axis, AxisResult>
  const unmet = unmetBy(facts, policy)
  return {
    ledger,
    verdict: verdictOf(facts, results, unmet),
    axes: results,
    entries,
    signaturesChecked,
    ...(head && { head }),
    ...(firstBadSeq !== undefined && { firstBadSeq }),
    counts,
    withheld,
    unmet,
  }
}

/** The verdict over several ledgers: the gravest. One that has nothing to verify keeps the others from `verified`. */
export function overall(reports: readonly { readonly verdict: Verdict }[]): Verdict {
  const [first = 'nothing', ...others] = reports.map(({ verdict }) => verdict)
  return others.reduce(
    (gravest, verdict) => (verdicts.indexOf(verdict) > verdicts.indexOf(gravest) ? verdict : gravest),
    first,
  )
}

const codesOf = (facts: Facts, axis: Axis, severity: 'fail' | 'incomplete' | 'warn'): FindingCode[] =>
  (Object.keys(facts.counts) as FindingCode[]).filter(
    code => findingKinds[code].axis === axis && findingKinds[code].severity === severity,
  )

function axisResult(axis: Axis, facts: Facts): AxisResult {
  const failing = codesOf(facts, axis, 'fail')
  if (failing.length > 0) return { status: 'FAIL', note: counted(failing, facts) }
  const undecided = codesOf(facts, axis, 'incomplete')
  if (undecided.length > 0)
    return { status: 'INCOMPLETE', note: undecided.map(code => findingKinds[code].title).join(', ') }
  if (facts.entries === 0) return { status: 'INCOMPLETE', note: 'no entries' }
  if (axis === 'signature' && facts.signaturesChecked < facts.entries) {
    return {
      status: 'INCOMPLETE',
      note: `not checked: ${facts.entries - facts.signaturesChecked} of ${facts.entries} entries`,
    }
  }
  if (axis === 'completeness' && facts.pinned.length === 0) {
    return { status: 'INCOMPLETE', note: 'nothing was pinned: later entries cannot be excluded' }
  }
  return { status: 'PASS', note: noteOf(axis, facts) }
}

function noteOf(axis: Axis, facts: Facts): string {
  const warnings = codesOf(facts, axis, 'warn')
  const told = warnings.length > 0 ? counted(warnings, facts) : ''
  const pinned = axis === 'completeness' ? `held against ${facts.pinned.join(', ')}` : ''
  return [pinned, told].filter(part => part !== '').join('; ')
}

const counted = (codes: readonly FindingCode[], facts: Facts): string =>
  codes.map(code => `${facts.counts[code]} × ${code}`).join(', ')

function verdictOf(facts: Facts, results: Record<Axis, AxisResult>, unmet: readonly string[]): Verdict {
  const has = (status: AxisStatus) => axes.some(axis => results[axis].status === status)
  if (has('FAIL')) return 'tampered'
  if (facts.entries === 0) return 'nothing'
  // A completeness that nobody pinned anything for was not asked about; a finding on that axis was.
  const undecided = axes.some(
    axis => results[axis].status === 'INCOMPLETE' && (axis !== 'completeness' || asked(facts)),
  )
  if (undecided) return 'incomplete'
  return unmet.length > 0 ? 'policy-unmet' : 'verified'
}

const asked = (facts: Facts): boolean =>
  facts.pinned.length > 0 || codesOf(facts, 'completeness', 'incomplete').length > 0

function unmetBy(facts: Facts, policy: Policy): string[] {
  const unmet: string[] = []
  if (policy.requireHead === true && !facts.headPinned) {
    unmet.push('A head or checkpoint is required, and none was pinned.')
  }
  if (policy.entriesMin !== undefined && facts.entries < policy.entriesMin) {
    unmet.push(`At least ${policy.entriesMin} entries are required, and there are ${facts.entries}.`)
  }
  return unmet
}

/** Counts findings, keeps the first of each code up to a bound, and knows the first place that fails. */
export interface Tally {
  /** Whether the finding is to be told. */
  take(finding: Finding): boolean
  readonly counts: Partial<Record<FindingCode, number>>
  readonly withheld: number
  readonly firstBadSeq: number | undefined
}

export function tallyUpTo(findingsMaxPerCode: number): Tally {
  const counts: Partial<Record<FindingCode, number>> = {}
  let withheld = 0
  let firstBadSeq: number | undefined
  return {
    take({ code, severity, seq }) {
      const count = (counts[code] ?? 0) + 1
      counts[code] = count
      if (severity === 'fail' && seq !== undefined && !(seq >= (firstBadSeq ?? Number.POSITIVE_INFINITY)))
        firstBadSeq = seq
      if (count <= findingsMaxPerCode) return true
      withheld++
      return false
    },
    counts,
    get withheld() {
      return withheld
    },
    get firstBadSeq() {
      return firstBadSeq
    },
  }
}
