import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Command } from 'commander'
import manifest from '../../../package.json' with { type: 'json' }
import { ready } from '../../contract/admin.ts'
import { openEmbeddedReader } from '../../log/embedded/open.ts'
import { clientOf, ProblemError } from '../client.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit.ts'
import { examples, formOption } from '../options.ts'
import { dataDirOf, type RemoteOptions, remoteOf, tokenOption } from '../settings.ts'
import { counted, painter, type Style, shown, table } from '../terminal.ts'
import { bad, type Check, note, ok } from './doctor-check.ts'
import { kafkaChecks } from './doctor-kafka.ts'

interface DoctorOptions extends RemoteOptions {
  readonly dataDir?: string
  readonly output?: 'text' | 'json'
  readonly createTopics?: boolean
}

export function doctorVerb(context: Context): Command {
  const command = new Command('doctor')
    .summary('look whether everything is in order')
    .description(
      'Looks at this machine, the data folder, the topics in Kafka and the service, and says what is not as it should be. It ' +
        'changes nothing, unless it is told to make the topics.',
    )
    .option('--data-dir <dir>', 'data folder (AEP_LEDGER_DATA_DIR; ./data)')
    .option('--url <url>', 'address of the service (AEP_LEDGER_URL; http://127.0.0.1:8080)')
    .option(
      '--create-topics',
      'make the topics of AEP_LEDGER_KAFKA_BROKERS where there are none, before they are looked at',
    )
    .addOption(formOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      `\nExit codes: 0 nothing is wrong · 10 something is\n${examples(['doctor', 'this machine, ./data, the service on it'])}`,
    )
  return tokenOption(command).action((options: DoctorOptions) => doctor(context, options))
}

async function doctor(context: Context, options: DoctorOptions): Promise<void> {
  const dir = options.dataDir ?? dataDirOf(context.env)
  const checks = [
    nodeVersion(),
    ...folderChecks(dir),
    ...keyChecks(dir),
    await logCheck(dir),
    holderCheck(dir),
    engineCheck(),
    ...(await kafkaChecks(context, dir, options.createTopics === true)),
    ...(await serviceChecks(context, options)),
  ]
  if (options.output === 'json') await context.out.line(JSON.stringify({ checks }, null, 2))
  else {
    const paint = painter(context.out)
    const styles: Readonly<Record<Check['state'], Style>> = { ok: 'green', note: 'yellow', bad: 'red' }
    const rows = checks.map(({ name, state, detail }) => [paint(styles[state], state.padEnd(4)), name, shown(detail)])
    for (const line of table(rows)) await context.out.line(line)
  }
  if (checks.some(({ state }) => state === 'bad')) context.exitCode = exitCodes.invalid
}

function nodeVersion(): Check {
  const wanted = manifest.engines.node.replace('>=', '')
  const parts = (version: string) => version.split('.').map(Number)
  const [has, needs] = [parts(process.versions.node), parts(wanted)]
  const at = needs.findIndex((part, n) => part !== has[n])
  const enough = at < 0 || (has[at] ?? 0) > (needs[at] ?? 0)
  const told = `${process.versions.node} on ${process.platform} ${process.arch}`
  return enough ? ok('node', told) : bad('node', `${told}; ${wanted} or newer is needed`)
}

const freeBytesMin = 1 << 30

function folderChecks(dir: string): Check[] {
  if (!existsSync(dir)) return [note('data folder', `${dir} is not there: the first start makes it`)]
  const checks: Check[] = []
  const { mode } = statSync(dir)
  checks.push(
    (mode & 0o077) === 0
      ? ok('data folder', dir)
      : note('data folder', `${dir} can be read by others: chmod 700 ${dir}`),
  )
  const token = join(dir, 'admin.token')
  if (existsSync(token) && (statSync(token).mode & 0o077) !== 0)
    checks.push(bad('admin token', `${token} can be read by others: chmod 600 ${token}`))
  const { bavail, bsize } = statfsSync(dir)
  const free = bavail * bsize
  const told = `${(free / 2 ** 30).toFixed(1)} GiB free`
  checks.push(
    free < freeBytesMin ? bad('disk', `${told}: the ledger stops taking events when it is full`) : ok('disk', told),
  )
  return checks
}

/** The service starts with no private key that others may read. */
function keyChecks(dir: string): Check[] {
  const folder = join(dir, 'keys')
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter(name => name.endsWith('.json'))
  const open = files.map(name => join(folder, name)).filter(path => (statSync(path).mode & 0o077) !== 0)
  if (open.length > 0) return [bad('signing keys', `${open[0]} can be read by others: chmod 600 ${open.join(' ')}`)]
  return [ok('signing keys', `${files.length} in ${folder}`)]
}

async function logCheck(dir: string): Promise<Check> {
  if (!existsSync(join(dir, 'log'))) return note('log', 'there is none yet')
  try {
    const reader = await openEmbeddedReader(dir)
    try {
      const names = await reader.ledgers()
      const heads = await Promise.all(names.map(name => reader.head(name)))
      const entries = heads.reduce((sum, head) => sum + (head?.seq ?? -1) + 1, 0)
      return ok('log', `${counted(entries)} entries in ${names.length} ledgers: ${names.slice(0, 5).join(', ')}`)
    } finally {
      await reader.close()
    }
  } catch (error) {
    return bad('log', error instanceof Error ? error.message : String(error))
  }
}

/** Who writes the log. The file names a process for people only; the lock itself is the kernel's. */
function holderCheck(dir: string): Check {
  const file = join(dir, 'log', 'writer.pid')
  if (!existsSync(file)) return ok('writer', 'nobody has written the log')
  const pid = Number(readFileSync(file, 'utf8').trim())
  try {
    process.kill(pid, 0)
    return ok('writer', `process ${pid} writes the log`)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
      ? ok('writer', `process ${pid} of another user writes the log`)
      : ok('writer', `nobody writes the log now; process ${pid} did last`)
  }
}

function engineCheck(): Check {
  try {
    const file = createRequire(import.meta.url).resolve('chdb/package.json')
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    return ok('ClickHouse', `the engine of chdb ${version} is installed`)
  } catch {
    return note('ClickHouse', 'npm package chdb is not installed: search needs AEP_LEDGER_CLICKHOUSE_URL')
  }
}

/** A clock is off from here on. */
const skewMsMax = 5_000

async function serviceChecks(context: Context, options: DoctorOptions): Promise<Check[]> {
  const remote = remoteOf(options, context.env)
  const client = clientOf(remote, context.cancelled)
  const checks: Check[] = []
  try {
    const answer = await client.ask('/livez')
    checks.push(ok('service', `answers at ${remote.url}`))
    const skewMs = Date.parse(answer.headers.get('date') ?? '') - Date.now()
    if (Math.abs(skewMs) > skewMsMax)
      checks.push(bad('clock', `the service’s is ${Math.round(skewMs / 1000)} s ahead of this machine’s`))
    else checks.push(ok('clock', 'agrees with the service’s'))
  } catch (error) {
    if (context.cancelled.aborted) throw error
    if (error instanceof ProblemError) return [bad('service', error.message)]
    return [note('service', (error as Error).message)]
  }
  try {
    const { parts } = await client.json('/readyz', ready)
    for (const part of parts)
      checks.push({
        name: `service ${part.name}`,
        state: part.ready ? 'ok' : part.essential ? 'bad' : 'note',
        detail: part.detail,
      })
  } catch (error) {
    checks.push(bad('service', `is not ready: ${(error as Error).message}`))
  }
  try {
    await client.ask('/v1/ledgers')
    checks.push(ok('token', `from ${remote.tokenFrom}`))
  } catch (error) {
    checks.push(bad('token', `${(error as Error).message} It is from ${remote.tokenFrom}.`))
  }
  return checks
}
