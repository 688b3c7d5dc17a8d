import { z } from 'zod'
import { entryBytesMax } from '../ledger/entry.ts'
import { databaseDefault, databasePattern } from '../query/server.ts'
import { kafkaFaults, kafkaSettings, kafkaWarnings } from './kafka-settings.ts'
import { type Env, parseSettings, prefix, type Setting, type Values, whole } from './setting.ts'

/**
 * The service's configuration: environment first, one schema, every error at once. `docs/configuration.md` is generated
 * from this table, and `aep-ledger config` prints what is in force.
 *
 * A secret may be given as a file: `AEP_LEDGER_ADMIN_TOKEN_FILE=/run/secrets/token` stands for `AEP_LEDGER_ADMIN_TOKEN`.
 */

const token = z.stringFormat('bearer token', /^[\x21-\x7e]{1,512}$/)

/** Every setting by its name without the prefix. `fallback` is parsed like a given value. */
export const settings = {
  HOST: { schema: z.string().min(1), fallback: '127.0.0.1', says: 'Address to listen on.' },
  PORT: { schema: whole(0, 65_535), fallback: '8080', says: 'Port to listen on; 0 takes a free one.' },
  DATA_DIR: {
    schema: z.string().min(1),
    fallback: './data',
    says: 'Folder of the ledger: log, keys, views, ClickHouse.',
  },
  ADMIN_TOKEN: {
    schema: token,
    secret: true,
    says: 'An admin token, valid until the next start. Without one, and without another that rules all ledgers, a start makes one in DATA_DIR/admin.token.',
  },
  METRICS_TOKEN: {
    schema: token,
    secret: true,
    says: 'A token that opens `/metrics` and nothing else, for Prometheus. Without one `/metrics` asks for a token that may read every ledger, except on the machine itself.',
  },
  ORIGIN: {
    schema: z.stringFormat('origin', /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(\/[a-z0-9._-]+)*$/).max(200),
    says: 'Name of this installation in checkpoints and genesis entries. Fixed by the first start, which makes one with a random part where none is given; a later one that differs is refused.',
  },
  LEDGER_KEY: {
    schema: z.stringFormat('seed', /^[0-9a-f]{64}$/),
    secret: true,
    says: 'Seed of the signing key, 64 lower-case hex digits. Without one the first start makes a key in DATA_DIR/keys.',
  },
  KAFKA_BROKERS: {
    schema: z
      .stringFormat('list of brokers', /^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$/)
      .transform(text => text.split(',')),
    says: 'Kafka brokers, `host:port,host:port`: the log is kept there, and DATA_DIR holds a replica of it. Without them it is kept in DATA_DIR.',
  },
  KAFKA_PREFIX: {
    schema: z.stringFormat('topic prefix', /^[a-zA-Z0-9._-]{1,100}$/),
    fallback: 'aep',
    says: 'Begins the names of the topics and the transactional id. Installations that share a cluster need one each.',
  },
  KAFKA_PARTITIONS: {
    schema: whole(1, 1_000),
    fallback: '6',
    says: 'Partitions of a new installation: as many sequencers as that can work at once. It can’t be changed later.',
  },
  KAFKA_REPLICATION: {
    schema: whole(1, 100),
    says: 'How often the topics are kept. As often as there are brokers when they are made, up to 3, where it is not given.',
  },
  ROLES: {
    schema: z
      .stringFormat('list of roles', /^(http|sequencer|follower)(,(http|sequencer|follower))*$/)
      .transform(text => text.split(',') as ('http' | 'sequencer' | 'follower')[]),
    fallback: 'http,sequencer,follower',
    says: 'What this process does, with Kafka: `http` takes events in and answers, `sequencer` gives them their places, `follower` keeps rows in ClickHouse and folds the state of leases, which `http` answers from. Without Kafka a process does all of it.',
  },
  SEQUENCE_PARTITIONS: {
    schema: z
      .stringFormat('list of partitions', /^(all|\d{1,4}(,\d{1,4})*)$/)
      .transform(text => (text === 'all' ? text : text.split(',').map(Number))),
    says: 'Partitions that this process seals whatever others do, `0,1,2` or `all`. Without it the sequencers share them out among themselves.',
  },
  KEYS_DIR: {
    schema: z.string().min(1),
    says: 'Folder of the signing keys and of the intake key, which the processes of one installation share. DATA_DIR/keys where it is not given.',
  },
  INTAKE_KEY: {
    schema: z.stringFormat('key', /^[0-9a-f]{64}$/),
    secret: true,
    says: 'Authenticates what http nodes put into intake, 64 lower-case hex digits, the same for all processes. Without one it is made in KEYS_DIR.',
  },
  ...kafkaSettings,
  CLICKHOUSE_URL: { schema: z.url(), says: 'A ClickHouse server. Without one the service runs its own engine.' },
  CLICKHOUSE_USER: { schema: z.string().min(1), fallback: 'default', says: 'User of that server.' },
  CLICKHOUSE_PASSWORD: { schema: z.string(), secret: true, says: 'Password of that user.' },
  CLICKHOUSE_DATABASE: {
    schema: z.stringFormat('database name', databasePattern),
    fallback: databaseDefault,
    says: 'Database on that server. Installations that share a server need one each. No name ends in `_remade`: rows are made again there.',
  },
  CLICKHOUSE_CLUSTER: {
    schema: z.stringFormat('cluster name', /^[A-Za-z0-9_.-]+$|^\{[A-Za-z0-9_]+\}$/),
    says: 'Cluster of that server, of one shard: tables are made on all of its replicas, as `Replicated…MergeTree`.',
  },
  SEARCH: { schema: z.enum(['on', 'off']), fallback: 'on', says: 'Whether to keep rows for search at all.' },
  LOG_LEVEL: {
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']),
    fallback: 'info',
    says: 'Least level that is logged.',
  },
  BODY_BYTES_MAX: { schema: whole(1024, 1 << 30), fallback: '8388608', says: 'Largest request body, in bytes.' },
  BATCH_EVENTS_MAX: { schema: whole(1, 100_000), fallback: '1000', says: 'Most events of one request.' },
  ENTRY_BYTES_MAX: {
    schema: whole(2048, entryBytesMax),
    fallback: String(entryBytesMax),
    says: 'Largest entry, in bytes: an event, its place in the ledger and what intake says of it. The format holds no more.',
  },
  DEPTH_MAX: { schema: whole(8, 1000), fallback: '64', says: 'Deepest nesting of an event.' },
  RATE_PER_TOKEN: { schema: whole(1, 10_000_000), fallback: '50000', says: 'Events a second that one token may send.' },
  CONCURRENCY_MAX: { schema: whole(1, 100_000), fallback: '512', says: 'Ingest requests under way at once.' },
  QUEUE_EVENTS_MAX: { schema: whole(1, 10_000_000), fallback: '20000', says: 'Events waiting for a place at once.' },
  INGEST_WAIT_MS: {
    schema: whole(100, 600_000),
    fallback: '30000',
    says: 'How long a request waits for its events to be placed before it is answered 503.',
  },
  READ_WAIT_MS: { schema: whole(0, 60_000), fallback: '2000', says: 'How long a read waits for its view to catch up.' },
} as const satisfies Record<string, Setting>

/** What `loadConfig` gives. */
export type Config = Values<typeof settings>

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] }

/**
 * Reads the configuration from `env`; every error names its variable. A name that nobody knows is a warning, for it may be
 * meant for another version; a name that is merely misspelt is found by it.
 */
export function loadConfig(env: Env): ConfigResult {
  const errors: string[] = []
  const config: Config = parseSettings(settings, env, errors)
  const { KAFKA_BROKERS, KAFKA_TLS, KAFKA_SASL_MECHANISM } = config
  for (const name of ['CLICKHOUSE_PASSWORD', 'CLICKHOUSE_CLUSTER'] as const) {
    if (config.CLICKHOUSE_URL === undefined && config[name] !== undefined) {
      errors.push(`${prefix}${name}: given without ${prefix}CLICKHOUSE_URL`)
    }
  }
  if (config.METRICS_TOKEN !== undefined && config.METRICS_TOKEN === config.ADMIN_TOKEN) {
    errors.push(`${prefix}METRICS_TOKEN: is the admin token, which opens everything: give another`)
  }
  const roles = (config['ROLES'] ?? []) as readonly string[]
  if (config['KAFKA_BROKERS'] === undefined && roles.length < 3 && env[`${prefix}ROLES`] !== undefined) {
    errors.push(`${prefix}ROLES: without ${prefix}KAFKA_BROKERS one process does all of it`)
  }
  // What a value that could not be read goes together with is not to be known.
  if (!errors.some(error => error.startsWith(`${prefix}KAFKA_`))) errors.push(...kafkaFaults(config))
  if (errors.length > 0) return { ok: false, errors }
  const warnings = Object.keys(env)
    .filter(variable => variable.startsWith(prefix) && !isKnown(variable))
    .map(variable => `${variable}: there is no such setting`)
  warnings.push(...kafkaWarnings(config))
  if (KAFKA_BROKERS === undefined && (KAFKA_TLS === 'on' || KAFKA_SASL_MECHANISM !== undefined)) {
    warnings.push(
      `${prefix}KAFKA_BROKERS: not given, so that the log is kept in DATA_DIR and what is said of Kafka is not used`,
    )
  }
  return { ok: true, config, warnings }
}

/** Settings of the clients and of the development tools, which a shell that starts the service may hold too. */
const clientVariables = [
  'AEP_LEDGER_URL',
  'AEP_LEDGER_TOKEN',
  'AEP_LEDGER_LEDGER',
  'AEP_LEDGER_DEBUG',
  'AEP_LEDGER_CACHE_DIR',
]

function isKnown(variable: string): boolean {
  if (clientVariables.includes(variable)) return true
  const name = variable.slice(prefix.length)
  if (name in settings) return true
  const plain = name.replace(/_FILE$/, '')
  return name !== plain && (settings as Record<string, Setting>)[plain]?.secret === true
}

/** The configuration as it is in force, one `NAME=value` a line, secrets hidden. */
export function describeConfig(config: Config): readonly string[] {
  return Object.entries<Setting>(settings).map(([name, setting]) => {
    const value = (config as Record<string, unknown>)[name]
    const shown = value === undefined ? '' : setting.secret ? '(set)' : String(value)
    return `${prefix}${name}=${shown}`
  })
}
