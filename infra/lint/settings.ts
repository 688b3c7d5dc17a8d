import { settings } from '../../src/service/config.ts'
import type { Setting } from '../../src/service/setting.ts'

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
