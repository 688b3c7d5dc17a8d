import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import manifest from '../../../package.json' with { type: 'json' }
import { ready } from '../../contract/admin.ts'
import { nodeSuite } from '../../crypto/node.ts'
import { openEmbeddedReader } from '../../log/embedded/open.ts'
import { type Config, type ConfigResult, loadConfig } from '../../service/config.ts'
import { KeyFiles, keysFolder } from '../../service/key-files.ts'
import { clientOf, ProblemError } from '../client.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit.ts'
import { examples, formOption } from '../options.ts'
import { dataDirOf, type RemoteOptions, remoteOf, tokenOption } from '../settings.ts'
import { counted, painter, type Style, shown, table } from '../terminal.ts'
import { bad, type Check, note, ok } from './doctor-check.ts'
import { clickhouseCheck } from './doctor-clickhouse.ts'
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
      'Looks at this machine and, as AEP_LEDGER_… variables configure them, at the data folder, the keys, the topics in Kafka, ' +
        'ClickHouse and the service, and says what is not as it should be. It changes nothing, unless it is told to make the topics.',
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
      `\nExit codes: 0 nothing is wrong · 10 something is\n${examples(
        ['doctor', 'this machine, ./data, the service on it'],
        ['doctor --create-topics', 'what AEP_LEDGER_KAFKA_… and the rest name, its topics made first'],
      )}`,
    )
  return tokenOption(command).action((options: DoctorOptions) => doctor(context, options))
}

async function doctor(context: Context, options: DoctorOptions): Promise<void> {
  const dir = options.dataDir ?? dataDirOf(context.env)
  const checks = [
    nodeVersion(),
    ...folderChecks(dir),
    await logCheck(dir),
    holderCheck(dir),
    ...(await configuredChecks(loadConfig({ ...context.env, AEP_LEDGER_DATA_DIR: dir }), options)),
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

/** What the service would use besides the folder. */
async function configuredChecks(loaded: ConfigResult, { createTopics = false }: DoctorOptions): Promise<Check[]> {
  if (!loaded.ok) return loaded.errors.map(error => bad('configuration', error))
  const { config, warnings } = loaded
  return [
    ...warnings.map(warning => note('configuration', warning)),
    ...keyChecks(config),
    ...(await kafkaChecks(config, createTopics)),
    await clickhouseCheck(config),
  ]
}

/** The service starts with no private key that others may read, nor with one that it can't. */
function keyChecks(config: Config): Check[] {
  const folder = keysFolder(config)
  if (!existsSync(folder)) {
    return config.KEYS_DIR === undefined
      ? []
      : [note('signing keys', `${folder} is not there: the first start makes it`)]
  }
  try {
    const count = KeyFiles.open(folder, nodeSuite, undefined).ids().length
    return [ok('signing keys', `${count} in ${folder}`)]
  } catch (error) {
    return [bad('signing keys', error instanceof Error ? error.message : String(error))]
  }
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
