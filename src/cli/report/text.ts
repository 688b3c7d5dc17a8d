import { axes, type Finding, type FindingCode, findingKinds, type Severity } from '../../verify/findings.ts'
import type { AxisStatus, LedgerReport, Verdict } from '../../verify/report.ts'
import { clip, counted, type Paint, plural, type Style, shown, table } from '../terminal.ts'
import type { Outcome } from './outcome.ts'

/** How a verdict is called, and what colour it has. */
export const verdictWords: Readonly<Record<Verdict, readonly [string, Style]>> = {
  verified: ['VERIFIED', 'green'],
  nothing: ['NOTHING TO VERIFY', 'yellow'],
  'policy-unmet': ['VERIFIED, BUT NOT AS REQUIRED', 'yellow'],
  incomplete: ['INCOMPLETE', 'yellow'],
  tampered: ['TAMPERED', 'red'],
}

const statusStyles: Readonly<Record<AxisStatus, Style>> = { PASS: 'green', FAIL: 'red', INCOMPLETE: 'yellow' }
const severityStyles: Readonly<Record<Severity, Style>> = { fail: 'red', incomplete: 'yellow', warn: 'dim' }
/** Findings of a ledger that a person is shown; machines get all. */
const shownMax = 12

/** The outcome for people: the verdict, each ledger's axes, what was found and what to do next. */
export function textReport(outcome: Outcome, paint: Paint): string {
  const { verdict, ledgers, source, elapsedMs } = outcome
  const entries = ledgers.reduce((sum, { report }) => sum + report.entries, 0)
  const [word, style] = verdictWords[verdict]
  const told = [plural(ledgers.length, 'ledger'), plural(entries, 'entry', 'entries'), seconds(elapsedMs)]
  const lines = [`${paint(style, paint('bold', word))}  ${source}  ${paint('dim', told.join(' · '))}`]
  for (const { report, findings } of ledgers) {
    lines.push('', ...ledgerLines(report, paint), ...findingLines(report, findings, paint), ...nextLines(report, paint))
  }
  return `${lines.join('\n')}\n`
}

const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

function ledgerLines(report: LedgerReport, paint: Paint): string[] {
  const { ledger, verdict, entries, head, firstBadSeq } = report
  const [word, style] = verdictWords[verdict]
  const bad = firstBadSeq === undefined ? '' : `, first bad seq ${firstBadSeq}`
  const extent = head === undefined ? 'no entries' : `${plural(entries, 'entry', 'entries')}, seq 0 to ${head.seq}`
  const rows = axes.map(axis => {
    const { status, note } = report.axes[axis]
    return [`  ${axis}`, paint(statusStyles[status], status), paint('dim', note || passNote(axis, report))]
  })
  return [`${paint('bold', ledger)}  ${paint(style, word)}${bad}  ${paint('dim', extent)}`, ...table(rows)]
}

const passNote = (axis: string, { signaturesChecked }: LedgerReport): string =>
  axis === 'signature' ? `${plural(signaturesChecked, 'signature')} checked` : ''

/** What fails, a finding at a time up to a bound; then what is undecided and what is odd, a code at a time. */
function findingLines(report: LedgerReport, findings: readonly Finding[], paint: Paint): string[] {
  const fails = findings.filter(({ severity }) => severity === 'fail')
  const told = new Set<string>()
  const lines = fails.slice(0, shownMax).flatMap(found => {
    const again = told.has(found.code)
    told.add(found.code)
    return oneFinding(found, again, paint)
  })
  const counts = Object.entries(report.counts) as [FindingCode, number][]
  const total = counts.reduce((sum, [code, count]) => sum + (findingKinds[code].severity === 'fail' ? count : 0), 0)
  const more = total - Math.min(fails.length, shownMax)
  if (more > 0) lines.push('', paint('dim', `  and ${counted(more)} more: -o jsonl tells them`))
  return [...lines, ...undecidedLines(counts, findings, paint), ...warningLines(counts, findings, paint)]
}

/** What is undecided: the first of each code in full, and where the others are. */
function undecidedLines(
  counts: readonly (readonly [FindingCode, number])[],
  findings: readonly Finding[],
  paint: Paint,
): string[] {
  return counts
    .filter(([code]) => findingKinds[code].severity === 'incomplete')
    .flatMap(([code, count]) => {
      const [first, ...others] = findings.filter(one => one.code === code)
      if (first === undefined) return []
      const more = `    and ${counted(count - 1)} more like it: ${placesOf(others, count - 1)}`
      return [...oneFinding(first, false, paint), ...(count > 1 ? [paint('dim', more)] : [])]
    })
}

/** Warnings in a line a code: how many there are, what they are, and where. */
function warningLines(
  counts: readonly (readonly [FindingCode, number])[],
  findings: readonly Finding[],
  paint: Paint,
): string[] {
  const rows = counts
    .filter(([code]) => findingKinds[code].severity === 'warn')
    .map(([code, count]) => {
      const places = placesOf(
        findings.filter(one => one.code === code),
        count,
      )
      return [`  ${counted(count)} ×`, paint('yellow', code), findingKinds[code].title, paint('dim', places)]
    })
  return rows.length === 0 ? [] : ['', ...table(rows)]
}

/** The first places of findings and the last, where it is known: of `count` findings not all need to have been told. */
function placesOf(findings: readonly Finding[], count: number): string {
  const seqs = findings.map(({ seq }) => seq ?? '-')
  if (seqs.length <= 4 && seqs.length === count) return `seq ${seqs.join(', ')}`
  const last = seqs.length === count ? ` ${seqs.at(-1)}` : ''
  return `seq ${seqs.slice(0, 3).join(', ')} …${last}`
}

function oneFinding(found: Finding, again: boolean, paint: Paint): string[] {
  const { code, severity, seq, cause, expected } = found
  const { title, todo } = findingKinds[code]
  const place = seq === undefined ? '  ' : `  seq ${seq}  `
  const lines = ['', `${place}${paint(severityStyles[severity], code)}  ${title}`, `    ${clip(shown(cause), 300)}`]
  if (expected !== undefined) lines.push(`    expected  ${clip(shown(expected), 300)}`)
  if (found.found !== undefined) lines.push(`    found     ${clip(shown(found.found), 300)}`)
  if (!again) lines.push(paint('cyan', `    → ${todo}`))
  return lines
}

function nextLines({ verdict, head, unmet, axes: results, ledger }: LedgerReport, paint: Paint): string[] {
  const lines = unmet.map(what => `  ${paint('yellow', 'required')}  ${what}`)
  if (lines.length > 0) lines.unshift('')
  const sound = verdict === 'verified' || verdict === 'policy-unmet'
  if (!sound || head === undefined) return lines
  lines.push('', `  Verified to seq ${head.seq} (leaf hash ${head.leafHash}).`)
  if (results.completeness.status === 'INCOMPLETE') {
    lines.push(
      `  Later entries cannot be excluded. Keep this head, and pin it next time: --head ${ledger}@${head.seq}:${head.leafHash}`,
    )
  }
  return lines
}
