import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type EngineSecrets, newSecrets } from '../../src/query/engine/launch.ts'
import { startEngine } from '../../src/query/engine.ts'
import { whole } from '../arguments.ts'
import { freePorts, isFree } from '../ports.ts'

const help = `npm run clickhouse -- [--port N] [--dir DIR]

A real ClickHouse over HTTP on 127.0.0.1, for development and tests: the engine that the service otherwise starts by
itself. When it answers it prints its address and login as the service's own variables, on one line; the login stays the
same from start to start. Ctrl-C or SIGTERM ends it; its data stays.

  --port N   port to listen on (a free one)
  --dir DIR  folder of its data (./data/clickhouse-server)

Example: npm run clickhouse -- --port 8123 --dir /tmp/clickhouse
`

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** The secrets of an earlier start on this folder, or new ones. */
function secretsOf(dir: string): EngineSecrets {
  const file = join(dir, 'login.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as EngineSecrets
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const secrets = newSecrets()
  writeFileSync(file, `${JSON.stringify(secrets)}\n`, { mode: 0o600, flag: 'wx' })
  return secrets
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
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(help)
  const dir = resolve(values.dir)
  const port = await portOf(values.port)
  const ended = new Promise<'ended'>(resolve => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => resolve('ended'))
  })

  const engine = await startEngine({ dir, fixed: { port, secrets: secretsOf(dir) } })
  const down = Promise.withResolvers<never>()
  down.promise.catch(() => {})
  const ignore = engine.onChange((_, why) => why !== undefined && down.reject(new Error(why)))
  try {
    const first = await Promise.race([engine.ready, down.promise, ended])
    ignore()
    if (first === 'ended') return
    engine.onChange((status, why) => say(`ClickHouse is ${status}${why === undefined ? '' : `: ${why}`}`))
    const { username, password } = engine.writer
    process.stdout.write(
      `AEP_LEDGER_CLICKHOUSE_URL=${engine.url} AEP_LEDGER_CLICKHOUSE_USER=${username} AEP_LEDGER_CLICKHOUSE_PASSWORD=${password}\n`,
    )
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
