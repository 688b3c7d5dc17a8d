import { checkDeployed, checkEnvironment } from './settings.ts'

/** What the rules of the house look at, of resources that the schemas have let pass. */
export interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

interface Workload extends Resource {
  readonly spec: { readonly template: { readonly spec: Pod } }
}

interface Pod {
  readonly containers: readonly Container[]
  readonly volumes: readonly Volume[]
}

interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}

interface Volume {
  readonly name: string
  readonly projected?: { readonly sources: readonly { readonly secret: ProjectedSecret }[] }
}

interface ProjectedSecret {
  readonly name: string
  readonly items: readonly { readonly key: string; readonly path: string }[]
}

interface ServiceMonitor extends Resource {
  readonly spec: { readonly endpoints: readonly { readonly authorization?: { readonly credentials?: SecretKey } }[] }
}

interface SecretKey {
  readonly name: string
  readonly key: string
}

interface NetworkPolicy extends Resource {
  readonly spec: { readonly egress: readonly { readonly ports: readonly { readonly port: number }[] }[] }
}

const prefix = 'AEP_LEDGER_'
const keyText = ({ name, key }: SecretKey): string => `${key} of ${name}`

/** Complaints about a rendering: what the service would not start with, not be scraped with, or not reach. */
export function* chartRules(resources: readonly Resource[], samples: string): Generator<string> {
  const workloads = resources.filter((resource): resource is Workload => resource.kind === 'StatefulSet')
  if (workloads.length !== 3) yield `${workloads.length} workloads, and there are three roles`
  const shared = new Set<string | undefined>()
  for (const { metadata, spec } of workloads) {
    for (const container of spec.template.spec.containers) {
      const where = metadata.name
      const names = container.env.map(({ name }) => name)
      yield* checkEnvironment(where, names)
      for (const name of new Set(names)) {
        if (names.filter(other => other === name).length > 1) yield `${where}: ${name} is given twice`
      }
      const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
      const files = filesOf(spec.template.spec, container)
      yield* checkDeployed({ where, env, files: files.keys() }, samples)
      yield* unread(where, env, files.keys())
      yield* reach(where, env, resources)
      yield* scraped(where, files.get(env[`${prefix}METRICS_TOKEN_FILE`] ?? ''), resources)
      if (env[`${prefix}ROLES`] !== 'follower') shared.add(env[`${prefix}KEYS_DIR`])
    }
  }
  if (shared.size > 1) yield 'http nodes and sequencers have not the same keys folder, so that no key can be rotated'
}

/** The files of secrets that a container finds, by path. */
function filesOf({ volumes }: Pod, { volumeMounts }: Container): ReadonlyMap<string, SecretKey> {
  const found = new Map<string, SecretKey>()
  for (const { name, mountPath } of volumeMounts) {
    for (const { secret } of volumes.find(volume => volume.name === name)?.projected?.sources ?? []) {
      for (const { key, path } of secret.items) found.set(`${mountPath}/${path}`, { name: secret.name, key })
    }
  }
  return found
}

/** A file that no variable names, which the service or Node.js reads, is a secret given for nothing. */
function* unread(where: string, env: Readonly<Record<string, string>>, files: Iterable<string>): Generator<string> {
  const read = Object.entries(env).filter(([name]) => name.startsWith(prefix) || name === 'NODE_EXTRA_CA_CERTS')
  const named = new Set(read.map(([, value]) => value))
  for (const file of files) if (!named.has(file)) yield `${where}: nothing reads ${file}`
}

/** What a process is told to speak to, its NetworkPolicy lets it speak to, as far as ports go. */
function* reach(
  where: string,
  env: Readonly<Record<string, string>>,
  resources: readonly Resource[],
): Generator<string> {
  const isOwn = ({ kind, metadata }: Resource): boolean => kind === 'NetworkPolicy' && metadata.name === where
  const policy = resources.find((resource): resource is NetworkPolicy => isOwn(resource))
  if (policy === undefined) return
  const open = new Set(policy.spec.egress.flatMap(({ ports }) => ports.map(({ port }) => port)))
  const brokers = env[`${prefix}KAFKA_BROKERS`]?.split(',').map(broker => `kafka://${broker}`) ?? []
  const urls = ['CLICKHOUSE_URL', 'KAFKA_OAUTH_TOKEN_URL'].flatMap(name => env[prefix + name] ?? [])
  for (const address of [...brokers, ...urls]) {
    const { port, protocol } = new URL(address)
    if (!open.has(Number(port || (protocol === 'https:' ? 443 : 80)))) {
      yield `${where}: its NetworkPolicy does not let it reach ${address}`
    }
  }
}

/** A ServiceMonitor sends the token that the process knows as the one for metrics; without it the answer is 401. */
function* scraped(where: string, token: SecretKey | undefined, resources: readonly Resource[]): Generator<string> {
  const monitors = resources.filter((resource): resource is ServiceMonitor => resource.kind === 'ServiceMonitor')
  for (const { authorization } of monitors.flatMap(({ spec }) => spec.endpoints)) {
    const sent = authorization?.credentials
    if (sent === undefined || token === undefined || keyText(sent) !== keyText(token)) {
      yield `the ServiceMonitor sends ${sent ? keyText(sent) : 'no token'}, and ${where} takes ${token ? keyText(token) : 'none'}`
    }
  }
}
