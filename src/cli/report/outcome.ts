import type { Finding } from '../../verify/findings.ts'
import { type LedgerReport, overall, type Verdict } from '../../verify/report.ts'
import { type ExitCode, exitCodes } from '../exit.ts'

/** All that a verification came to, for whichever form it is reported in. */
export interface Outcome {
  /** What was verified. */
  readonly source: string
  readonly verdict: Verdict
  readonly ledgers: readonly { readonly report: LedgerReport; readonly findings: readonly Finding[] }[]
  readonly elapsedMs: number
  /** Version of this program. */
  readonly version: string
}

export const exitCodeOf: Readonly<Record<Verdict, ExitCode>> = {
  verified: exitCodes.ok,
  nothing: exitCodes.nothing,
  'policy-unmet': exitCodes.policyUnmet,
  incomplete: exitCodes.undecided,
  tampered: exitCodes.invalid,
}

export const outcomeOf = (outcome: Omit<Outcome, 'verdict'>): Outcome => ({
  ...outcome,
  verdict: overall(outcome.ledgers.map(({ report }) => report)),
})
