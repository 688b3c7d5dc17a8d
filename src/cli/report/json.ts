import type { Finding } from '../../verify/findings.ts'
import type { LedgerReport } from '../../verify/report.ts'
import { exitCodeOf, type Outcome } from './outcome.ts'

/** The outcome as one JSON value: members snake_case, findings as the verifier told them. */
export const jsonReport = (outcome: Outcome): string =>
  `${JSON.stringify({ ...summary(outcome), ledgers: outcome.ledgers.map(({ report, findings }) => ({ ...ledgerOf(report), findings })) }, null, 2)}\n`

/** The outcome a line at a time: every finding, then every ledger, then the whole. */
export function jsonLines(outcome: Outcome): string {
  const lines = [
    ...outcome.ledgers.flatMap(({ findings }) => findings).map((finding: Finding) => ({ kind: 'finding', ...finding })),
    ...outcome.ledgers.map(({ report }) => ({ kind: 'ledger', ...ledgerOf(report) })),
    { kind: 'verdict', ...summary(outcome) },
  ]
  return lines.map(line => `${JSON.stringify(line)}\n`).join('')
}

const summary = ({ source, verdict, elapsedMs }: Outcome) => ({
  source,
  verdict,
  exit_code: exitCodeOf[verdict],
  elapsed_ms: Math.round(elapsedMs),
})

const ledgerOf = ({
  ledger,
  verdict,
  axes,
  entries,
  signaturesChecked,
  head,
  firstBadSeq,
  counts,
  withheld,
  unmet,
}: LedgerReport) => ({
  ledger,
  verdict,
  first_bad_seq: firstBadSeq ?? null,
  axes,
  entries,
  signatures_checked: signaturesChecked,
  head: head === undefined ? null : { seq: head.seq, leaf_hash: head.leafHash, recorded_at: head.recordedAt },
  counts,
  withheld,
  unmet,
})
