import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type Check, demandNone } from './check.ts'
import { checkDeployed, checkEnvironment } from './settings.ts'
import { type Tools, yamlDocuments } from './tools.ts'

/** What the rules of the house look at, of a file that the schema has let pass. */
interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
}

interface ComposeService {
  readonly image?: string
  readonly build?: unknown
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly healthcheck?: unknown
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

interface Prometheus {
  readonly scrape_configs: readonly { readonly authorization?: { readonly credentials_file?: string } }[]
}

const file = 'infra/compose.yaml'
const prometheusFile = 'infra/prometheus/prometheus.yml'
const fileOf = (secret: string): string => `/run/secrets/${secret}`

function* houseRules({ services }: Compose, root: string, tools: Tools): Generator<string> {
  for (const [name, service] of Object.entries(services)) {
    // Ours has the health check of its Dockerfile.
    const isOurs = service.build !== undefined
    if (!isOurs && service.healthcheck === undefined) yield `${name} has no health check`
    if (!isOurs && !/:v?\d+\.\d+/.test(service.image ?? '')) yield `${name}: the image ${service.image} is not pinned`
    for (const port of service.ports ?? []) {
      if (!String(port).startsWith('127.0.0.1:')) yield `${name}: port ${port} is open to other machines`
    }
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      if (condition !== 'service_healthy') yield `${name} does not wait until ${other} is healthy`
    }
    const environment = service.environment ?? {}
    for (const variable of Object.keys(environment)) {
      if (/(PASSWORD|TOKEN|SECRET)$/.test(variable)) yield `${name}: ${variable} is a secret, and is given by value`
    }
    yield* checkEnvironment(name, Object.keys(environment))
    if (isOurs) {
      const env = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filledIn(value)]))
      yield* checkDeployed({ where: name, env, files: (service.secrets ?? []).map(fileOf) }, tools.samples)
    }
  }
  const kafka = /<kafka\.version>(.*)</.exec(readFileSync(join(root, 'infra/kafka/pom.xml'), 'utf8'))?.[1]
  const image = services['kafka']?.image
  if (image !== `apache/kafka:${kafka}`) yield `kafka: the image is ${image}, and what is tested is ${kafka}`
}

/** A value as Compose has it where a variable is not set: its default, or for one without some name. */
const filledIn = (value: string): string =>
  value.replace(/\$\{\w+(?::-([^}]*)|[^}]*)\}/g, (_, fallback) => fallback ?? 'sample')

/** Prometheus sends the token that the services know as theirs; without it they answer 401. */
function* metricsRules({ services }: Compose, { scrape_configs }: Prometheus): Generator<string> {
  const token = new Set(
    Object.values(services).map(({ environment }) => environment?.['AEP_LEDGER_METRICS_TOKEN_FILE']),
  )
  for (const { authorization } of scrape_configs) {
    const sent = authorization?.credentials_file
    if (sent === undefined) yield 'prometheus.yml sends no token, and /metrics asks for one'
    else if (!token.has(sent)) yield `prometheus.yml sends ${sent}, which is not the services' METRICS_TOKEN`
    else if (!services['prometheus']?.secrets?.some(secret => fileOf(secret) === sent))
      yield `prometheus is not given ${sent}`
  }
}

/** The compose file against the specification's schema, and what the house wants of it. */
export const composeCheck: Check = {
  name: 'compose.yaml',
  tools: ['python', 'samples'],
  async run(root, tools) {
    const program = join(tools.python, 'bin', 'python')
    await ask(program, ['-m', 'check_jsonschema', '--builtin-schema', 'vendor.compose-spec', file], { cwd: root })
    const [compose] = await yamlDocuments(tools, readFileSync(join(root, file), 'utf8'))
    const [prometheus] = await yamlDocuments(tools, readFileSync(join(root, prometheusFile), 'utf8'))
    const rules = [
      houseRules(compose as Compose, root, tools),
      metricsRules(compose as Compose, prometheus as Prometheus),
    ]
    demandNone(rules.flatMap(complaints => [...complaints]))
  },
  planted: [
    { path: file, from: 'start_interval: 5s', to: 'start_intervall: 5s', complaint: /start_intervall/ },
    { path: file, from: '- 127.0.0.1:8123:8123', to: '- 8123:8123', complaint: /open to other machines/ },
    { path: file, from: 'condition: service_healthy', to: 'condition: service_started', complaint: /until kafka/ },
    { path: file, from: 'prom/prometheus:v3.16.0', to: 'prom/prometheus:latest', complaint: /not pinned/ },
    { path: file, from: 'apache/kafka:4.4.0', to: 'apache/kafka:4.3.0', complaint: /what is tested/ },
    { path: file, from: 'LEDGER_KAFKA_PARTITIONS:', to: 'LEDGER_KAFKA_PARTS:', complaint: /no AEP_LEDGER_KAFKA_PARTS/ },
    { path: file, from: 'ADMIN_PASSWORD__FILE:', to: 'ADMIN_PASSWORD:', complaint: /given by value/ },
    { path: prometheusFile, from: 'authorization:', to: 'basic_auth:', complaint: /sends no token/ },
    { path: prometheusFile, from: '/metrics_token', to: '/admin_token', complaint: /not the services' METRICS_TOKEN/ },
    {
      path: file,
      from: 'secrets:\n      - metrics_token',
      to: 'secrets:\n      - grafana_password',
      complaint: /prometheus is not given/,
    },
    { path: file, from: '      - intake_key\n', to: '', complaint: /refuses AEP_LEDGER_INTAKE_KEY_FILE/ },
    { path: file, from: 'PARTITIONS:-4', to: 'PARTITIONS:-0', complaint: /refuses AEP_LEDGER_KAFKA_PARTITIONS/ },
    { path: file, from: 'ROLES: http\n', to: 'ROLES: http,sequencer\n', complaint: /no signing key/ },
    { path: file, from: 'ROLES: http,sequencer,follower', to: 'ROLES: http,follower', complaint: /sequencers alone/ },
    { path: file, from: 'AEP_LEDGER_LEDGER_KEY_FILE:', to: 'AEP_LEDGER_LEDGER_KEY:', complaint: /given by value/ },
  ],
}
