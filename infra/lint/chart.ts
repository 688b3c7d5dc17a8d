import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { ask, Complaint } from './ask.ts'
import { chartRules, type Resource } from './chart-rules.ts'
import { type Check, demandNone, withFile } from './check.ts'
import { secretNames } from './settings.ts'
import { kubernetesVersion, type Tools, yamlDocuments } from './tools.ts'

const chart = 'infra/kubernetes/aep-ledger'

/** The defaults with the one value that they leave open, every option switched on, and the other login at Kafka. */
const renderings: readonly (readonly string[])[] = [
  ['--set', 'origin=ledger.example.org'],
  ['--values', join(chart, 'ci/full-values.yaml')],
  ['--values', join(chart, 'ci/oauth-values.yaml')],
]

interface PrometheusRule extends Resource {
  readonly spec: unknown
}

/**
 * helm lint, and each rendering against the schemas of Kubernetes and of the Prometheus operator, and against what the
 * service itself takes.
 */
export const chartCheck: Check = {
  name: 'Helm chart',
  tools: ['helm', 'python', 'models', 'samples'],
  async run(root, tools) {
    const helm = (...args: readonly string[]): Promise<string> => ask(join(tools.helm, 'helm'), args, { cwd: root })
    await refusesWithoutOrigin(helm)
    demandNone([...secretSettings(root)])
    for (const values of renderings) {
      await helm('lint', chart, '--strict', '--quiet', '--kube-version', kubernetesVersion, ...values)
      const rendered = await helm('template', 'ledger', chart, '--kube-version', kubernetesVersion, ...values)
      const python = join(tools.python, 'bin', 'python')
      const validate = ['-m', 'kubernetes_validate', '--strict', '--quiet', '-k', kubernetesVersion]
      await withFile('rendered.yaml', rendered, file => ask(python, [...validate, file]))
      const resources = (await yamlDocuments(tools, rendered)) as readonly Resource[]
      await checkModels(resources, tools)
      demandNone([...chartRules(resources, tools.samples)])
      await checkAlerts(root, resources, tools)
    }
  },
  planted: [
    { path: `${chart}/templates/services.yaml`, from: '{{- end }}', to: '', complaint: /unexpected EOF/ },
    { path: `${chart}/templates/workloads.yaml`, from: 'serviceName:', to: 'servicesName:', complaint: /servicesName/ },
    { path: `${chart}/templates/workloads.yaml`, from: 'value: {{ $role }}', to: 'value: 1', complaint: /string/ },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: 'AEP_LEDGER_ROLES',
      to: 'AEP_LEDGER_ROLE',
      complaint: /no AEP_LEDGER_ROLE/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: 'required "',
      to: 'printf "%s %s" "',
      complaint: /without an origin/,
    },
    {
      path: `${chart}/templates/monitoring.yaml`,
      from: 'interval: {{ .Values.serviceMonitor.interval }}',
      to: 'interval: soon',
      complaint: /interval/,
    },
    {
      path: `${chart}/templates/monitoring.yaml`,
      from: 'runbook_url: docs/"',
      to: 'for: "',
      complaint: /PrometheusRule/,
    },
    {
      path: `${chart}/templates/monitoring.yaml`,
      from: 'key: {{ .Values.secrets.metricsToken.key }}',
      to: 'key: admin-token',
      complaint: /ServiceMonitor sends/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: '{{- if .tls.enabled }}',
      to: '{{- if .tls.servername }}',
      complaint: /the service warns of AEP_LEDGER_KAFKA_SASL_MECHANISM/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: '"kafka-key" "AEP_LEDGER_KAFKA_TLS_KEY"',
      to: '"kafka-key" "AEP_LEDGER_KAFKA_TLS_CERT"',
      complaint: /KAFKA_TLS_CERT/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: 'NODE_EXTRA_CA_CERTS',
      to: 'NODE_EXTRA_CA_CERT',
      complaint: /nothing reads .*trusted-ca/,
    },
    {
      path: `${chart}/templates/_helpers.tpl`,
      from: 'if eq $kafka.sasl.mechanism "none"',
      to: 'if eq $kafka.sasl.mechanism "nobody"',
      complaint: /kafka.sasl.username: none needs it/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: '- name: AEP_LEDGER_KAFKA_OAUTH_CLIENT_ID',
      to: '- name: AEP_LEDGER_KAFKA_OAUTH_SCOPE',
      complaint: /the service refuses AEP_LEDGER_KAFKA_SASL_MECHANISM: oauthbearer needs/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: 'path: {{ $file }}',
      to: 'path: {{ $file }}.txt',
      complaint: /the service refuses AEP_LEDGER_INTAKE_KEY_FILE/,
    },
    {
      path: `${chart}/templates/workloads.yaml`,
      from: 'and (ne $role "follower")',
      to: 'and (eq $role "sequencer")',
      complaint: /keys folder/,
    },
    {
      path: `${chart}/templates/_helpers.tpl`,
      from: 'if eq .role "sequencer"',
      to: 'if ne .role "follower"',
      complaint: /signing key is for sequencers alone/,
    },
    {
      path: `${chart}/templates/networkpolicy.yaml`,
      from: 'range $policy.tokenEndpoint.ports',
      to: 'range $policy.kafka.ports',
      complaint: /does not let it reach https:\/\/id/,
    },
    {
      path: `${chart}/values.schema.json`,
      from: '|METRICS_TOKEN)',
      to: ')',
      complaint: /settings takes METRICS_TOKEN/,
    },
    { path: `${chart}/values.yaml`, from: 'replication: 3', to: 'replication: three', complaint: /replication/ },
    { path: `${chart}/values.yaml`, from: 'scrapers: []', to: 'scraper: []', complaint: /scraper/ },
  ],
}

async function refusesWithoutOrigin(helm: (...args: readonly string[]) => Promise<string>): Promise<void> {
  const rendered = helm('template', 'ledger', chart, '--kube-version', kubernetesVersion)
  const said = await rendered.then(
    () => 'nothing',
    (error: Error) => error.message,
  )
  if (!said.includes('origin: give the name')) throw new Complaint(`without an origin the chart says: ${said}`)
}

/** The operator's kinds, which Kubernetes itself does not know. */
async function checkModels(resources: readonly Resource[], tools: Tools): Promise<void> {
  const folder = join(tools.models, 'node_modules/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1')
  for (const resource of resources) {
    const { kind, metadata } = resource
    if (kind !== 'ServiceMonitor' && kind !== 'PrometheusRule') continue
    type Model = new (resource: Resource) => { validate(): void }
    const models = (await import(pathToFileURL(join(folder, `${kind}.js`)).href)) as Record<string, Model>
    const model = models[kind]
    if (model === undefined) throw new Error(`there is no model of ${kind}`)
    try {
      new model(resource).validate()
    } catch (error) {
      throw new Complaint(`${kind} ${metadata.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** What is a secret is given as one: `settings` takes no name of any. */
function* secretSettings(root: string): Generator<string> {
  type Schema = { properties: { settings: { propertyNames: { not: { pattern: string } } } } }
  const schema = JSON.parse(readFileSync(join(root, chart, 'values.schema.json'), 'utf8')) as Schema
  const refused = new RegExp(schema.properties.settings.propertyNames.not.pattern)
  for (const name of secretNames) if (!refused.test(name)) yield `settings takes ${name}`
}

/** The rules that Kubernetes is given are the ones that were tested. */
async function checkAlerts(root: string, resources: readonly Resource[], tools: Tools): Promise<void> {
  const rule = resources.find((resource): resource is PrometheusRule => resource.kind === 'PrometheusRule')
  if (rule === undefined) return
  const text = readFileSync(join(root, 'infra/prometheus/alerts.yml'), 'utf8')
  const base = 'https://docs.example.org/'
  const [tested] = await yamlDocuments(tools, text.replaceAll('runbook_url: ', `runbook_url: ${base}`))
  if (!isDeepStrictEqual(rule.spec, tested)) throw new Complaint('the PrometheusRule is not what alerts.yml says')
}
