import { axes, findingKinds } from '../../verify/findings.ts'
import type { Outcome } from './outcome.ts'

type Ledger = Outcome['ledgers'][number]

/**
 * JUnit XML: a suite a ledger, a test case an axis, and one for what was required. FAIL and an unmet requirement are
 * failures; INCOMPLETE is skipped, and never a success, and so is a source without any ledger.
 */
export function junitReport(outcome: Outcome): string {
  const suites = outcome.ledgers.map(ledger => suiteOf(ledger, outcome))
  if (suites.length === 0) suites.push(emptySuite(outcome))
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="aep-ledger verify">\n${suites.join('')}</testsuites>\n`
}

function suiteOf(ledger: Ledger, { elapsedMs }: Outcome): string {
  const { report } = ledger
  const statuses = axes.map(axis => report.axes[axis].status)
  const count = (status: string) => statuses.filter(one => one === status).length
  const failures = count('FAIL') + (report.unmet.length > 0 ? 1 : 0)
  const attributes = `tests="${axes.length + 1}" failures="${failures}" skipped="${count('INCOMPLETE')}" errors="0"`
  const time = (elapsedMs / 1000).toFixed(3)
  const cases = [...axes.map(axis => caseOf(ledger, axis)), policyCase(ledger)].join('')
  return `  <testsuite name="${escaped(report.ledger)}" ${attributes} time="${time}">\n${cases}  </testsuite>\n`
}

function policyCase({ report }: Ledger): string {
  const open = `    <testcase classname="${escaped(report.ledger)}" name="policy">`
  if (report.unmet.length === 0) return `${open}</testcase>\n`
  return `${open}<failure message="not as required">${escaped(report.unmet.join('\n'))}</failure></testcase>\n`
}

function emptySuite({ source }: Outcome): string {
  const name = escaped(source)
  const skipped = `    <testcase classname="${name}" name="ledgers"><skipped message="nothing to verify"/></testcase>\n`
  return `  <testsuite name="${name}" tests="1" failures="0" skipped="1" errors="0">\n${skipped}  </testsuite>\n`
}

function caseOf({ report, findings }: Ledger, axis: (typeof axes)[number]): string {
  const { status, note } = report.axes[axis]
  const open = `    <testcase classname="${escaped(report.ledger)}" name="${axis}">`
  if (status === 'PASS') return `${open}</testcase>\n`
  if (status === 'INCOMPLETE') return `${open}<skipped message="${escaped(note)}"/></testcase>\n`
  const told = findings
    .filter(found => found.axis === axis && found.severity === 'fail')
    .map(({ seq, code, cause }) => `${seq ?? '-'} ${code}: ${findingKinds[code].title}. ${cause}`)
  return `${open}<failure message="${escaped(note)}">${escaped(told.join('\n'))}</failure></testcase>\n`
}

/** Text for XML 1.0: characters that it cannot hold at all become U+FFFD. */
const escaped = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: just those that XML refuses
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
