import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig, settings } from '../../src/service/config.ts'
import type { Setting } from '../../src/service/setting.ts'
import { markOf } from './ask.ts'

const prefix = 'AEP_LEDGER_'

/** Complaints about the environment that `where` gives the service: a variable that there isn't, a secret by value. */
export function* checkEnvironment(where: string, names: Iterable<string>): Generator<string> {
  const known: Readonly<Record<string, Setting>> = settings
  const secretOf = (name: string): boolean | undefined => (name in known ? known[name]?.secret === true : undefined)
  for (const variable of names) {
    if (!variable.startsWith(prefix)) continue
    const name = variable.slice(prefix.length)
    const plain = name.replace(/_FILE$/, '')
    if (secretOf(name) === true) yield `${where}: ${variable} is a secret, and is given by value`
    else if (secretOf(name) === undefined && secretOf(plain) !== true) yield `${where}: there is no ${variable}`
  }
}

/** Names of settings that hold a secret, or name the file that does. */
export const secretNames: readonly string[] = Object.entries<Setting>(settings).flatMap(([name, { secret }]) =>
  secret === true ? [name, `${name}_FILE`] : [],
)

/** A process of the service as deployment files describe it. */
export interface Deployed {
  readonly where: string
  readonly env: Readonly<Record<string, string>>
  /** Paths of the files that it is given. */
  readonly files: Iterable<string>
}

/**
 * What the service itself would refuse or warn of at its start, and what a role is given that it has no use for, or lacks. Its files
 * hold a secret each, or what `samples` has in PEM.
 */
export function* checkDeployed({ where, env, files }: Deployed, samples: string): Generator<string> {
  const folder = mkdtempSync(join(tmpdir(), 'aep-ledger-config-'))
  try {
    const given = new Map(Array.from(files, file => [file, join(folder, markOf(file))]))
    // Keys and tokens alike are taken in 64 hex digits, and no two of them are the same.
    for (const [file, sample] of given) writeFileSync(sample, markOf(file).repeat(8))
    const pem = (name: string): string | undefined =>
      ({ KAFKA_TLS_CA: 'cert.pem', KAFKA_TLS_CERT: 'cert.pem', KAFKA_TLS_KEY: 'key.pem' })[name.slice(prefix.length)]
    const asFound = Object.entries(env).map(([name, value]) => {
      const sample = given.get(value)
      const inPem = pem(name)
      return [name, sample === undefined ? value : inPem === undefined ? sample : join(samples, inPem)]
    })
    const result = loadConfig(Object.fromEntries(asFound) as Record<string, string>)
    const said = result.ok ? result.warnings : result.errors
    yield* said.map(text => `${where}: the service ${result.ok ? 'warns of' : 'refuses'} ${text}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
  const seals = (env[`${prefix}ROLES`] ?? 'sequencer').includes('sequencer')
  const signs = `${prefix}LEDGER_KEY_FILE` in env
  if (signs && !seals) yield `${where}: the signing key is for sequencers alone`
  if (!signs && seals) yield `${where}: a sequencer is given no signing key`
  if (!(`${prefix}METRICS_TOKEN_FILE` in env)) yield `${where}: whoever scrapes has no token: there is no METRICS_TOKEN`
}
