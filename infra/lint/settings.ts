import { type Setting, settings } from '../../src/service/config.ts'

/** Settings that the deployment files use and the service is about to have. One that it has is to be removed here. */
const comingSettings: Readonly<Record<string, { readonly secret: boolean }>> = {
  ROLES: { secret: false },
  KEYS_DIR: { secret: false },
  INTAKE_KEY: { secret: true },
  KAFKA_PARTITIONS: { secret: false },
  KAFKA_TLS_CA: { secret: false },
  KAFKA_SASL_MECHANISM: { secret: false },
  KAFKA_SASL_USERNAME: { secret: false },
  KAFKA_SASL_PASSWORD: { secret: true },
}

const prefix = 'AEP_LEDGER_'

/**
 * Complaints about the environment that `where` gives the service: a variable that there isn't, a secret by value, one of
 * `comingSettings` that has come.
 */
export function* checkEnvironment(where: string, names: Iterable<string>): Generator<string> {
  const known: Readonly<Record<string, Setting>> = settings
  for (const name of Object.keys(comingSettings)) {
    if (name in known) yield `infra/lint/settings.ts: ${prefix}${name} has come: remove it from comingSettings`
  }
  const secretOf = (name: string): boolean | undefined =>
    name in known ? known[name]?.secret === true : comingSettings[name]?.secret
  for (const variable of names) {
    if (!variable.startsWith(prefix)) continue
    const name = variable.slice(prefix.length)
    const plain = name.replace(/_FILE$/, '')
    if (secretOf(name) === true) yield `${where}: ${variable} is a secret, and is given by value`
    else if (secretOf(name) === undefined && secretOf(plain) !== true) yield `${where}: there is no ${variable}`
  }
}
