import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type Check, demandNone } from './check.ts'
import { checkEnvironment } from './settings.ts'
import { yamlDocuments } from './tools.ts'

/** What the rules of the house look at, of a file that the schema has let pass. */
interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
}

interface ComposeService {
  readonly image?: string
  readonly build?: unknown
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: unknown
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

const file = 'infra/compose.yaml'

function* houseRules({ services }: Compose, root: string): Generator<string> {
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
  }
  const kafka = /<kafka\.version>(.*)</.exec(readFileSync(join(root, 'infra/kafka/pom.xml'), 'utf8'))?.[1]
  const image = services['kafka']?.image
  if (image !== `apache/kafka:${kafka}`) yield `kafka: the image is ${image}, and what is tested is ${kafka}`
}

/** The compose file against the specification's schema, and what the house wants of it. */
export const composeCheck: Check = {
  name: 'compose.yaml',
  tools: ['python'],
  async run(root, tools) {
    const program = join(tools.python, 'bin', 'python')
    await ask(program, ['-m', 'check_jsonschema', '--builtin-schema', 'vendor.compose-spec', file], { cwd: root })
    const [compose] = await yamlDocuments(tools, readFileSync(join(root, file), 'utf8'))
    demandNone([...houseRules(compose as Compose, root)])
  },
  planted: [
    { path: file, from: 'start_interval: 5s', to: 'start_intervall: 5s', complaint: /start_intervall/ },
    { path: file, from: '- 127.0.0.1:8123:8123', to: '- 8123:8123', complaint: /open to other machines/ },
    { path: file, from: 'condition: service_healthy', to: 'condition: service_started', complaint: /until kafka/ },
    { path: file, from: 'prom/prometheus:v3.16.0', to: 'prom/prometheus:latest', complaint: /not pinned/ },
    { path: file, from: 'apache/kafka:4.4.0', to: 'apache/kafka:4.3.0', complaint: /what is tested/ },
    { path: file, from: 'LEDGER_KAFKA_PARTITIONS:', to: 'LEDGER_KAFKA_PARTS:', complaint: /no AEP_LEDGER_KAFKA_PARTS/ },
    { path: file, from: 'ADMIN_PASSWORD__FILE:', to: 'ADMIN_PASSWORD:', complaint: /given by value/ },
    { path: file, from: 'AEP_LEDGER_LEDGER_KEY_FILE:', to: 'AEP_LEDGER_LEDGER_KEY:', complaint: /given by value/ },
  ],
}
