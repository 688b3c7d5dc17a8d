import { type Finding, findingKinds, type Severity } from '../../verify/findings.ts'
import type { Outcome } from './outcome.ts'

/** SARIF 2.1.0: the findings as a code scanner's results, for whatever shows those. */
export function sarifReport(outcome: Outcome): string {
  const findings = outcome.ledgers.flatMap(ledger => ledger.findings)
  const codes = [...new Set(findings.map(({ code }) => code))]
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'aep-ledger', version: outcome.version, rules: codes.map(ruleOf) } },
        invocations: [{ executionSuccessful: true, exitCodeDescription: outcome.verdict }],
        results: findings.map(found => resultOf(found, outcome, codes)),
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
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: encodeURI(source) } },
        logicalLocations: [{ fullyQualifiedName: name, kind: seq === undefined ? 'ledger' : 'entry' }],
      },
    ],
  }
}
