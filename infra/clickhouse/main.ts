import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type EngineSecrets, newSecrets } from '../../src/query/engine/launch.ts'
import { startEngine } from '../../src/query/engine.ts'
import type { Login } from '../../src/query/server.ts'
import { whole } from '../arguments.ts'
import { freePorts, isFree } from '../ports.ts'

const help = `npm run clickhouse -- [--port N] [--dir DIR] [--password TEXT [--user NAME]]

A real ClickHouse over HTTP on 127.0.0.1, for development and tests: the engine that the service otherwise starts by
itself. When it answers it prints its address, and the login where there is one, as the service's own variables on one
line. Without a password whoever is on this machine may read and write it, as ClickHouse's user \`default\`. Ctrl-C or
SIGTERM ends it; its data stays.

  --port N         port to listen on (a free one)
  --dir DIR        folder of its data (./data/clickhouse-server)
  --password TEXT  takes queries only from who has this password, at an address that can't be guessed; the folder keeps
                   that from start to start
  --user NAME      user that has it (ledger)

Example: npm run clickhouse -- --port 8123 --dir /tmp/clickhouse
`

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** What the options say of the login; `undefined` where everybody is let in. */
function loginOf({ user, password }: { readonly user?: string; readonly password?: string }): Login | undefined {
  if (password === undefined) {
    if (user !== undefined) throw new TypeError('--user goes with --password: without one there is no login')
    return undefined
  }
  const username = user ?? 'ledger'
  if (!/^[\w.~-]+$/.test(password)) throw new TypeError('--password is of letters, digits and . _ ~ - only')
  if (username === 'default' || username === 'reader' || !/^[A-Za-z_]\w{0,62}$/.test(username))
    throw new TypeError(`--user is a word other than default and reader, and not ${username}`)
  return { username, password }
}

/** `default`, without a password, at the root; or `login` at the path of an earlier start on this folder, or a new one. */
function secretsOf(dir: string, login: Login | undefined): EngineSecrets {
  const secrets = newSecrets()
  if (login === undefined) return { ...secrets, path: '', writer: { username: 'default', password: '' } }
  const file = join(dir, 'path')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (!existsSync(file)) writeFileSync(file, `${secrets.path}\n`, { mode: 0o600 })
  return { ...secrets, path: readFileSync(file, 'utf8').trim(), writer: login }
}

async function portOf(text: string | undefined): Promise<number> {
  if (text === undefined) return (await freePorts(1))[0] ?? 0
  const port = whole('--port', text, 1, 65_535)
  if (!(await isFree(port))) throw new Error(`port ${port} of 127.0.0.1 is taken: choose another with --port`)
  return port
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      dir: { type: 'string', default: './data/clickhouse-server' },
      user: { type: 'string' },
      password: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(help)
  const login = loginOf(values)
  const dir = resolve(values.dir)
  const port = await portOf(values.port)
  const ended = new Promise<'ended'>(resolve => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => resolve('ended'))
  })

  const engine = await startEngine({ dir, fixed: { port, secrets: secretsOf(dir, login) } })
  const down = Promise.withResolvers<never>()
  down.promise.catch(() => {})
  const ignore = engine.onChange((_, why) => why !== undefined && down.reject(new Error(why)))
  try {
    const first = await Promise.race([engine.ready, down.promise, ended])
    ignore()
    if (first === 'ended') return
    engine.onChange((status, why) => say(`ClickHouse is ${status}${why === undefined ? '' : `: ${why}`}`))
    const variables = {
      URL: engine.url,
      ...(login && { USER: login.username, PASSWORD: login.password }),
    }
    const line = Object.entries(variables).map(([name, value]) => `AEP_LEDGER_CLICKHOUSE_${name}=${value}`)
    process.stdout.write(`${line.join(' ')}\n`)
    await ended
  } finally {
    await engine.close()
  }
}

try {
  await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof TypeError ? 2 : 1
}
