import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { openEmbedded, openEmbeddedReader } from '../../log/embedded/open.ts'
import type { LogReader } from '../../log/port.ts'
import type { Config } from '../../service/config.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { examples } from '../options.ts'
import { progressOf } from '../progress.ts'
import { dataDirOf } from '../settings.ts'
import { counted, shown } from '../terminal.ts'

interface RebuildVerbOptions {
  readonly dataDir?: string
  readonly state?: true
  readonly search?: true
  readonly check?: true
  readonly force?: true
}

export function rebuildVerb(context: Context): Command {
  return new Command('rebuild')
    .summary('make views again from the log, or check them against it')
    .description(
      'Folds the state view (leases, keys, emitters) again from the log, and makes the rows of search again. The log is read and never ' +
        'changed. Services may run, and both views go on answering, where the rows are on a ClickHouse server (AEP_LEDGER_CLICKHOUSE_URL): ' +
        'new ones are made beside the old, whose place they take in the end, unless the old ones are of another history or go much ' +
        'further than the log; and where the state is in the topic of a cluster (AEP_LEDGER_KAFKA_BROKERS): what the log does not add up ' +
        'to is written again. Everything else is for a stopped service, whose own ClickHouse is removed and filled again by the next ' +
        'start. With --check nothing is changed, and it says where views differ from the log.',
    )
    .option('--data-dir <dir>', 'data folder (AEP_LEDGER_DATA_DIR; ./data)')
    .option('--state', 'the state view alone')
    .option('--search', 'the rows of search alone')
    .option('--check', 'compare only, and say what differs')
    .option('--force', 'put new rows of search in the place of those of a ClickHouse server, whatever it has')
    .addHelpText(
      'after',
      `\nExit codes: 0 done, or nothing differs · 10 something differs, or was refused · 75 the service runs\n${examples(
        ['rebuild --check', 'are the views of ./data what the log adds up to?'],
        ['rebuild --search', 'rows were damaged: they are made again'],
        [
          'AEP_LEDGER_KAFKA_BROKERS=kafka:9092 rebuild --state --data-dir /var/lib/aep-ledger',
          'the state topic of a cluster, by a node of it that runs',
        ],
      )}`,
    )
    .action((options: RebuildVerbOptions) => rebuild(context, options))
}

type OpenLog = Awaited<ReturnType<typeof openEmbedded>>

async function rebuild(context: Context, options: RebuildVerbOptions): Promise<void> {
  const dir = options.dataDir ?? dataDirOf(context.env)
  if (!existsSync(join(dir, 'log'))) throw usageError(`${dir} is no data folder.`, 'Name one with --data-dir.')
  const config = await configOf(context, dir)
  const isCheck = options.check === true
  const all = options.state === undefined && options.search === undefined
  const asked = { state: all || options.state === true, search: all || options.search === true }
  const isOff = config.SEARCH === 'off'
  if (options.force === true && (isCheck || !asked.search || config.CLICKHOUSE_URL === undefined)) {
    throw usageError('--force is for the rows of a ClickHouse server (AEP_LEDGER_CLICKHOUSE_URL).', 'Leave it out.')
  }
  // What services may go on with meanwhile; the rest needs the log for itself.
  const serving = {
    state: config.KAFKA_BROKERS !== undefined,
    search: config.CLICKHOUSE_URL !== undefined && (!isCheck || config.KAFKA_BROKERS !== undefined),
  }
  const alone = { state: asked.state && !serving.state, search: asked.search && !isOff && !serving.search }
  if (alone.state || alone.search) {
    // Whoever holds the log for writing is the only one who writes views and rows.
    const log = await openEmbedded(dir)
    try {
      if (alone.state) await (isCheck ? checkState : state)(context, log)
      if (alone.search) await (isCheck ? checkSearch : removeSearch)(context, log, config)
    } finally {
      await log.close()
    }
  }
  if (asked.search && isOff) await context.out.line('search: switched off (AEP_LEDGER_SEARCH=off)')
  const beside = { state: asked.state && serving.state, search: asked.search && !isOff && serving.search }
  if (!beside.state && !beside.search) return
  const log = await openEmbeddedReader(dir)
  try {
    if (beside.state) await (isCheck ? checkTopic : mendTopic)(context, log, config)
    if (beside.search) {
      await (isCheck ? checkSearch(context, log, config) : remakeSearch(context, log, config, options.force === true))
    }
  } finally {
    await log.close()
  }
}

async function configOf(context: Context, dir: string): Promise<Config> {
  const { loadConfig } = await import('../../service/config.ts')
  const loaded = loadConfig({ ...context.env, AEP_LEDGER_DATA_DIR: dir })
  if (!loaded.ok) throw usageError(`The configuration does not fit:\n  ${loaded.errors.join('\n  ')}`)
  return loaded.config
}

async function state(context: Context, log: OpenLog): Promise<void> {
  const { rebuildState } = await import('../../service/state-view.ts')
  const bar = await barOf(context, log, 'Folding')
  await rebuildState(log, log.views, { onFolded: bar.at }).finally(bar.end)
  await context.out.line(`state: folded again from ${counted(bar.done())} entries`)
}

async function removeSearch(context: Context, _: OpenLog, config: Config): Promise<void> {
  const { removeEngine } = await import('../../service/rebuild.ts')
  removeEngine(config)
  await context.out.line('search: the rows are removed; the next start inserts them again')
}

async function remakeSearch(context: Context, log: LogReader, config: Config, force: boolean): Promise<void> {
  const { remakeServerRows } = await import('../../service/rebuild.ts')
  const { RemakeRefused } = await import('../../query/remake.ts')
  const bar = await barOf(context, log, 'Inserting')
  const making = remakeServerRows(config, log, { onMade: bar.at, force }).finally(bar.end)
  const made = await making.catch((error: unknown) => {
    throw error instanceof RemakeRefused ? new CliError(exitCodes.invalid, error.message, error.hint) : error
  })
  await context.out.line(`search: ${counted(made)} rows are made again, and took the place of the old ones`)
}

async function mendTopic(context: Context, log: LogReader, config: Config): Promise<void> {
  const { mendTopicState } = await import('../../service/rebuild.ts')
  const bar = await barOf(context, log, 'Folding')
  const mended = await mendTopicState(config, log, bar.at).finally(bar.end)
  const rows =
    mended === 0
      ? 'no row of the state topic had to be changed'
      : `${counted(mended)} rows of the state topic are mended`
  await context.out.line(`state: folded again from ${counted(bar.done())} entries; ${rows}`)
}

async function checkTopic(context: Context, log: LogReader, config: Config): Promise<void> {
  const { checkTopicState: check } = await import('../../service/rebuild.ts')
  const bar = await barOf(context, log, 'Folding')
  await tell(context, 'state', check(config, log, bar.at), stateLine, bar)
}

async function checkState(context: Context, log: OpenLog): Promise<void> {
  const { checkState: check } = await import('../../service/rebuild.ts')
  const bar = await barOf(context, log, 'Folding')
  await tell(context, 'state', check(log, bar.at), stateLine, bar)
}

const stateLine = ({ code, ledger, key }: { code: string; ledger: string; key: string }): string =>
  `${code} ${ledger} ${shown(key)}`

async function checkSearch(context: Context, log: LogReader, config: Config): Promise<void> {
  const { checkRows } = await import('../../service/rebuild.ts')
  const bar = await barOf(context, log, 'Comparing')
  const line = (finding: { code: string; ledger: string; seq: number | bigint; members?: readonly string[] }) =>
    `${finding.code} ${finding.ledger} ${finding.seq}${finding.members === undefined ? '' : `: ${finding.members.join(', ')}`}`
  await tell(context, 'search', checkRows(config, log, bar.at), line, bar)
}

/** Findings that are told one by one: a damaged view has one for each row. */
const linesMax = 50

async function tell<F>(
  context: Context,
  part: string,
  findings: AsyncIterable<F>,
  lineOf: (finding: F) => string,
  bar: Bar,
): Promise<void> {
  let count = 0
  const lines: string[] = []
  try {
    for await (const finding of findings) {
      count += 1
      if (count <= linesMax) lines.push(lineOf(finding))
    }
  } finally {
    bar.end()
  }
  for (const line of lines) await context.out.line(line)
  if (count > linesMax) await context.out.line(`… and ${counted(count - linesMax)} more`)
  if (count === 0) return context.out.line(`${part}: agrees with the log (${counted(bar.done())} entries compared)`)
  await context.out.line(`${part}: ${counted(count)} differences; aep-ledger rebuild --${part} mends them`)
  context.exitCode = exitCodes.invalid
}

interface Bar {
  /** Ends the work when the verb is cancelled. */
  at(entries: number): void
  end(): void
  done(): number
}

async function barOf(context: Context, log: LogReader, what: string): Promise<Bar> {
  const heads = await Promise.all((await log.ledgers()).map(ledger => log.head(ledger)))
  const total = heads.reduce((sum, head) => sum + (head?.seq ?? -1) + 1, 0)
  const progress = progressOf(context, what, 'entries')
  let done = 0
  return {
    at(entries) {
      context.cancelled.throwIfAborted()
      done = entries
      progress.at(entries, total)
    },
    end: () => progress.end(),
    done: () => done,
  }
}
