import { axes, findingKinds } from '../../verify/findings.ts'
import type { Outcome } from './outcome.ts'

type Ledger = Outcome['ledgers'][number]

/** JUnit XML: a suite a ledger, a test case an axis. FAIL is a failure; INCOMPLETE is skipped, and never a success. */
export function junitReport(outcome: Outcome): string {
  const suites = outcome.ledgers.map(ledger => suiteOf(ledger, outcome))
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="aep-ledger verify">\n${suites.join('')}</testsuites>\n`
}

function suiteOf(ledger: Ledger, { elapsedMs }: Outcome): string {
  const { report } = ledger
  const statuses = axes.map(axis => report.axes[axis].status)
  const count = (status: string) => statuses.filter(one => one === status).length
  const attributes = `tests="${axes.length}" failures="${count('FAIL')}" skipped="${count('INCOMPLETE')}" errors="0"`
  const time = (elapsedMs / 1000).toFixed(3)
  const cases = axes.map(axis => caseOf(ledger, axis)).join('')
  return `  <testsuite name="${escaped(report.ledger)}" ${attributes} time="${time}">\n${cases}  </testsuite>\n`
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
