import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Dashboard, dashboardFile } from '../../infra/lint/dashboard.ts'
import { repository } from '../../infra/serve.ts'
import { Admission } from '../../src/http/admission.ts'
import { httpMetrics } from '../../src/http/metrics.ts'
import { Streams } from '../../src/http/streams.ts'
import { clusterMetrics } from '../../src/service/cluster/metrics.ts'
import { diskMetrics } from '../../src/service/disk-metrics.ts'
import { serviceMetrics } from '../../src/service/metrics.ts'
import { matchersIn, metricOf, metricsIn } from './promql.ts'

/** What Prometheus itself says of a target. */
const ofPrometheus = ['up']
const targetLabels = ['job', 'instance', 'le']

/** Every metric that a service registers, with its labels. */
function registered(): ReadonlyMap<string, readonly string[]> {
  const none = { roles: [], queued: () => 0, ledgers: () => [], head: () => -1, positions: () => ({}) }
  const { registry } = serviceMetrics(none)
  httpMetrics(registry, new Admission(1, 1), new Streams(1))
  diskMetrics(registry, repository)
  clusterMetrics(registry, {
    intakeLag: () => Promise.resolve(new Map()),
    replicaLag: async () => new Map(),
    ledgerTopic: 'aep.ledger',
  })
  const metrics = registry.getMetricsAsArray() as readonly { name: string; labelNames?: readonly string[] }[]
  return new Map(metrics.map(({ name, labelNames }) => [name, labelNames ?? []]))
}

const known = registered()

interface Alert {
  readonly name: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}

/** The alerts, read as alerts.yml writes them: YAML of a plain kind. */
function alerts(): readonly Alert[] {
  const text = readFileSync(join(repository, 'infra/prometheus/alerts.yml'), 'utf8')
  return text
    .split(/^ +- alert: /m)
    .slice(1)
    .map(part => {
      const name = part.split('\n')[0] ?? ''
      const body = part.replaceAll(/^ *#.*\n/gm, '')
      const expr = /^ +expr: (?:>-)?([\s\S]*?)^ {8}(?:for|labels):/m.exec(body)?.[1]?.trim() ?? ''
      const annotations = /^ +annotations:\n([\s\S]*)/m.exec(body)?.[1] ?? ''
      const entries = [...annotations.matchAll(/^ {10}(\w+): (?:>-)?\s*(.+)$/gm)]
      return { name, expr, annotations: Object.fromEntries(entries.map(([, key, value]) => [key, value])) }
    })
}

function panels(): readonly { readonly name: string; readonly expr: string }[] {
  const dashboard = JSON.parse(readFileSync(join(repository, dashboardFile), 'utf8')) as Dashboard
  return dashboard.panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ name: title, expr })))
}

const labelsOf = (series: string): readonly string[] | undefined =>
  [series, metricOf(series)].map(name => known.get(name)).find(labels => labels !== undefined)

/** What an expression asks for that nobody answers. */
function unanswered(expr: string): readonly string[] {
  const metrics = metricsIn(expr).filter(name => labelsOf(name) === undefined && !ofPrometheus.includes(name))
  const labels = [...matchersIn(expr)]
    .filter(({ metric, label }) => !targetLabels.includes(label) && !labelsOf(metric)?.includes(label))
    .map(({ metric, label }) => `${metric}{${label}}`)
  return [...metrics, ...labels]
}

const asked = [...alerts(), ...panels()]

describe('alerts and dashboard', () => {
  it('are read whole', () => {
    assert.ok(alerts().length >= 12)
    assert.ok(panels().length >= 30)
    for (const { name, expr } of asked) assert.ok(metricsIn(expr).length > 0, `${name}: ${expr}`)
  })
  it('ask for metrics and labels that the code registers, and for no other', () => {
    for (const { name, expr } of asked) assert.deepEqual(unanswered(expr), [], name)
  })
})

describe('every alert', () => {
  const page = readFileSync(join(repository, 'docs/operating.md'), 'utf8')
  const section = page.split(/^## /m).find(part => part.startsWith('Alerts\n')) ?? ''
  const headings = [...section.matchAll(/^### (.*)$/gm)].map(match => match[1] ?? '')

  it('says what it is, in short and at length, and where it is told what to do', () => {
    for (const { name, annotations } of alerts()) {
      assert.ok((annotations['summary'] ?? '').length > 10, `${name}: summary`)
      assert.ok((annotations['description'] ?? '').length > 20, `${name}: description`)
      assert.equal(annotations['runbook_url'], `docs/operating.md#${name.toLowerCase()}`)
    }
  })
  it('has its heading under "Alerts" in docs/operating.md, and there is none that has no alert', () => {
    assert.deepEqual(
      headings,
      alerts().map(({ name }) => name),
    )
  })
})

describe('the reading of PromQL', () => {
  it('finds a metric that is misspelt, and a label that the metric has not', () => {
    assert.deepEqual(unanswered('sum by (x) (rate(aep_ledger_entrys_total[5m])) > 0'), ['aep_ledger_entrys_total'])
    assert.deepEqual(unanswered('ledger_entries_total or up{job="a"}'), ['ledger_entries_total'])
    assert.deepEqual(unanswered('aep_ledger_entries_total{view="x"}'), ['aep_ledger_entries_total{view}'])
    assert.deepEqual(unanswered('aep_ledger_entries_total{ledger="x"} offset 1h'), [])
  })
})
