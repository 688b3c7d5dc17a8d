import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { KafkaAccess, KafkaSasl, KafkaTls } from '../log/kafka/access.ts'
import { type Env, parseSettings, prefix, type Setting, type Values } from './setting.ts'

/** How the cluster is reached and as whom. Whoever reads or writes topics takes it from here: the service, and `verify`. */
export const kafkaSettings = {
  KAFKA_TLS: {
    schema: z.enum(['off', 'on']),
    fallback: 'off',
    says: 'Whether brokers are spoken to through TLS. Their certificates are checked always.',
  },
  KAFKA_TLS_CA: {
    schema: z.string().min(1),
    says: 'PEM file of the authorities that brokers’ certificates come from. Without it those that Node.js knows.',
  },
  KAFKA_TLS_CERT: {
    schema: z.string().min(1),
    says: 'PEM file of this client’s certificate and what leads to its authority, where brokers ask for one (mTLS).',
  },
  KAFKA_TLS_KEY: { schema: z.string().min(1), says: 'PEM file of that certificate’s private key, not encrypted.' },
  KAFKA_TLS_SERVERNAME: {
    schema: z.stringFormat('host name', /^[a-zA-Z0-9.-]{1,253}$/),
    says: 'Name that brokers’ certificates carry, where it is not the host of their address.',
  },
  KAFKA_SASL_MECHANISM: {
    schema: z.enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']),
    says: '`plain`, `scram-sha-256`, `scram-sha-512` or `oauthbearer`. Without it there is no login.',
  },
  KAFKA_SASL_USERNAME: { schema: z.string().min(1), says: 'User, for `plain` and `scram-…`.' },
  KAFKA_SASL_PASSWORD: { schema: z.string().min(1), secret: true, says: 'Password of that user.' },
  KAFKA_OAUTH_TOKEN_URL: {
    schema: z.url({ protocol: /^https?$/ }),
    says: 'Token endpoint, for `oauthbearer`: tokens are got by client credentials, and got anew before they run out.',
  },
  KAFKA_OAUTH_CLIENT_ID: { schema: z.string().min(1), says: 'Client id at that endpoint.' },
  KAFKA_OAUTH_CLIENT_SECRET: { schema: z.string().min(1), secret: true, says: 'Client secret at that endpoint.' },
  KAFKA_OAUTH_SCOPE: { schema: z.string().min(1), says: 'Scope that is asked for there, where one is needed.' },
} as const satisfies Record<string, Setting>

type Name = keyof typeof kafkaSettings
export type KafkaValues = Values<typeof kafkaSettings>

const nameOf = (name: Name): string => prefix + name
const tlsFiles = ['KAFKA_TLS_CA', 'KAFKA_TLS_CERT', 'KAFKA_TLS_KEY'] as const
const login = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const
const oauth = ['KAFKA_OAUTH_TOKEN_URL', 'KAFKA_OAUTH_CLIENT_ID', 'KAFKA_OAUTH_CLIENT_SECRET'] as const

/** The cluster at `brokers` as `values`, which were checked, say it is reached. Reads the files that they name. */
export function kafkaAccess(values: KafkaValues, brokers: readonly string[]): KafkaAccess {
  const [tls, sasl] = [tlsOf(values), saslOf(values)]
  return { brokers, ...(tls && { tls }), ...(sasl && { sasl }) }
}

/** The same from the environment alone, for who is no service. All that is wrong is in `errors`, by variable. */
export function kafkaAccessIn(
  env: Env,
  brokers: readonly string[],
):
  | { readonly access: KafkaAccess; readonly warnings: readonly string[] }
  | { readonly access?: undefined; readonly errors: readonly string[] } {
  const errors: string[] = []
  const values = parseSettings(kafkaSettings, env, errors)
  if (errors.length === 0) errors.push(...kafkaFaults(values))
  return errors.length > 0 ? { errors } : { access: kafkaAccess(values, brokers), warnings: kafkaWarnings(values) }
}

/** What does not go together, and what files do not hold, by variable. */
export function kafkaFaults(values: KafkaValues): string[] {
  return [...tlsFaults(values), ...saslFaults(values)]
}

function* tlsFaults(values: KafkaValues): Generator<string> {
  const { KAFKA_TLS, KAFKA_TLS_CERT, KAFKA_TLS_KEY } = values
  if (KAFKA_TLS === 'off') {
    for (const name of [...tlsFiles, 'KAFKA_TLS_SERVERNAME'] as const)
      if (values[name] !== undefined) yield `${nameOf(name)}: given without ${nameOf('KAFKA_TLS')}=on`
    return
  }
  if (KAFKA_TLS_CERT !== undefined && KAFKA_TLS_KEY === undefined)
    yield `${nameOf('KAFKA_TLS_CERT')}: given without ${nameOf('KAFKA_TLS_KEY')}`
  if (KAFKA_TLS_KEY !== undefined && KAFKA_TLS_CERT === undefined)
    yield `${nameOf('KAFKA_TLS_KEY')}: given without ${nameOf('KAFKA_TLS_CERT')}`
  const read = new Map<Name, X509Certificate | KeyObject>()
  for (const name of tlsFiles) {
    const file = values[name]
    if (file === undefined) continue
    try {
      const pem = readFileSync(file)
      read.set(name, name === 'KAFKA_TLS_KEY' ? createPrivateKey(pem) : new X509Certificate(pem))
    } catch (error) {
      yield `${nameOf(name)}: ${file} ${fileFault(error, name === 'KAFKA_TLS_KEY' ? 'private key' : 'certificate')}`
    }
  }
  const [cert, key] = [read.get('KAFKA_TLS_CERT'), read.get('KAFKA_TLS_KEY')]
  if (cert instanceof X509Certificate && key !== undefined && !cert.checkPrivateKey(key as KeyObject))
    yield `${nameOf('KAFKA_TLS_KEY')}: ${KAFKA_TLS_KEY} is not the key of the certificate in ${KAFKA_TLS_CERT}`
}

function fileFault(error: unknown, what: string): string {
  const { code = '', syscall } = error as NodeJS.ErrnoException
  return syscall === undefined ? `holds no ${what} in PEM that can be used as it is` : `can't be read (${code})`
}

function* saslFaults(values: KafkaValues): Generator<string> {
  const mechanism = values.KAFKA_SASL_MECHANISM
  const [wanted, unwanted] = mechanism === 'oauthbearer' ? [oauth, login] : [login, [...oauth, 'KAFKA_OAUTH_SCOPE']]
  const isSet = (name: string): boolean => values[name as Name] !== undefined
  const own = nameOf('KAFKA_SASL_MECHANISM')
  if (mechanism === undefined) {
    const without = [...login, ...oauth, 'KAFKA_OAUTH_SCOPE'] as const
    for (const name of without.filter(isSet)) yield `${nameOf(name)}: given without ${own}`
    return
  }
  const missing = wanted.filter(name => !isSet(name))
  if (missing.length > 0) yield `${own}: ${mechanism} needs ${missing.map(nameOf).join(' and ')}`
  for (const name of unwanted.filter(isSet)) yield `${prefix}${name}: given, and ${own} is ${mechanism}`
}

/** What works and should not be. */
export function kafkaWarnings({ KAFKA_TLS, KAFKA_SASL_MECHANISM, KAFKA_OAUTH_TOKEN_URL }: KafkaValues): string[] {
  const warnings: string[] = []
  const bare = { plain: 'the password', oauthbearer: 'the token' } as const
  if (KAFKA_TLS === 'off' && (KAFKA_SASL_MECHANISM === 'plain' || KAFKA_SASL_MECHANISM === 'oauthbearer')) {
    const what = bare[KAFKA_SASL_MECHANISM]
    warnings.push(
      `${nameOf('KAFKA_SASL_MECHANISM')}: ${what} CROSSES THE NETWORK READABLE BY ANYBODY: set ${nameOf('KAFKA_TLS')}=on`,
    )
  }
  const url = KAFKA_OAUTH_TOKEN_URL === undefined ? undefined : new URL(KAFKA_OAUTH_TOKEN_URL)
  if (url?.protocol === 'http:' && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname))
    warnings.push(`${nameOf('KAFKA_OAUTH_TOKEN_URL')}: the client secret crosses the network in clear: use https`)
  return warnings
}

function tlsOf(values: KafkaValues): KafkaTls | undefined {
  const { KAFKA_TLS, KAFKA_TLS_CA, KAFKA_TLS_CERT, KAFKA_TLS_KEY, KAFKA_TLS_SERVERNAME } = values
  if (KAFKA_TLS === 'off') return undefined
  const pem = (file: string): string => readFileSync(file, 'utf8')
  return {
    ...(KAFKA_TLS_CA !== undefined && { ca: pem(KAFKA_TLS_CA) }),
    ...(KAFKA_TLS_CERT !== undefined &&
      KAFKA_TLS_KEY !== undefined && { own: { cert: pem(KAFKA_TLS_CERT), key: pem(KAFKA_TLS_KEY) } }),
    ...(KAFKA_TLS_SERVERNAME !== undefined && { servername: KAFKA_TLS_SERVERNAME }),
  }
}

function saslOf(values: KafkaValues): KafkaSasl | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_OAUTH_SCOPE: scope } = values
  if (mechanism === undefined) return undefined
  const text = (name: Name): string => values[name] ?? ''
  if (mechanism !== 'oauthbearer')
    return { mechanism, username: text('KAFKA_SASL_USERNAME'), password: text('KAFKA_SASL_PASSWORD') }
  return {
    mechanism,
    tokenUrl: text('KAFKA_OAUTH_TOKEN_URL'),
    clientId: text('KAFKA_OAUTH_CLIENT_ID'),
    clientSecret: text('KAFKA_OAUTH_CLIENT_SECRET'),
    ...(scope !== undefined && { scope }),
  }
}
