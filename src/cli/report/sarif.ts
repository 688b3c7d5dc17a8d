import { type Finding, findingKinds, type Severity } from '../../verify/findings.ts'
import type { Outcome } from './outcome.ts'

/** SARIF 2.1.0: the findings as a code scanner's results, for whatever shows those. */
export function sarifReport(outcome: Outcome): string {
  const findings = outcome.ledgers.flatMap(ledger => ledger.findings)
  const codes = [...new Set(findings.map(({ code }) => code))]
  const unmet = outcome.ledgers.flatMap(({ report }) => report.unmet.map(what => ({ what, ledger: report.ledger })))
  const rules = [...codes.map(ruleOf), ...(unmet.length > 0 ? [policyRule] : [])]
  const results = [
    ...findings.map(found => resultOf(found, outcome, codes)),
    ...unmet.map(({ what, ledger }) => unmetOf(what, ledger, outcome, codes.length)),
  ]
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'aep-ledger', version: outcome.version, rules } },
        invocations: [{ executionSuccessful: true, exitCodeDescription: outcome.verdict }],
        results,
      },
    ],
  }
  return `${JSON.stringify(log, null, 2)}\n`
}

const levels: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  fail: 'error',
  incomplete: 'warning',
  warn: 'note',
}

function ruleOf(code: Finding['code']) {
  const { title, meaning, todo, severity, axis } = findingKinds[code]
  return {
    id: code,
    shortDescription: { text: title },
    fullDescription: { text: meaning },
    help: { text: todo },
    defaultConfiguration: { level: levels[severity] },
    properties: { axis },
  }
}

function resultOf(found: Finding, { source }: Outcome, codes: readonly string[]) {
  const { code, severity, cause, ledger, seq, expected } = found
  const name = seq === undefined ? ledger : `${ledger}/${seq}`
  const told = [cause, expected && `Expected: ${expected}.`, found.found && `Found: ${found.found}.`]
    .filter(Boolean)
    .join(' ')
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: levels[severity],
    message: { text: told },
    locations: [locationOf(source, name, seq === undefined ? 'ledger' : 'entry')],
  }
}

/** What was required of a ledger is no finding about it, and yet is to be seen where findings are. */
const policyRule = {
  id: 'policy-unmet',
  shortDescription: { text: 'The ledger is not as required' },
  fullDescription: { text: 'What --require-head or --min-entries ask for is not so.' },
  help: { text: 'Pin a head that you saw earlier, or ask why there are so few entries.' },
  defaultConfiguration: { level: 'error' },
}

const unmetOf = (what: string, ledger: string, { source }: Outcome, ruleIndex: number) => ({
  ruleId: policyRule.id,
  ruleIndex,
  level: 'error',
  message: { text: what },
  locations: [locationOf(source, ledger, 'ledger')],
})

const locationOf = (source: string, name: string, kind: 'ledger' | 'entry') => ({
  physicalLocation: { artifactLocation: { uri: encodeURI(source) } },
  logicalLocations: [{ fullyQualifiedName: name, kind }],
})
