import { Command } from 'commander'
import { originIn } from '../../ledger/origin.ts'
import type { EmbeddedLog } from '../../log/embedded/log.ts'
import { overall } from '../../verify/report.ts'
import type { Context } from '../context.ts'
import { compare, readBack } from '../copy/compare.ts'
import { copyLedger, type LedgerCopy } from '../copy/ledger.ts'
import { firstOrigin } from '../copy/origin.ts'
import { checkApart, openForReading, openIfThere, type Place, placeOf, type Readable } from '../copy/places.ts'
import { type CopyResult, copyJson, copyText, type LedgerResult } from '../copy/report.ts'
import { checkTarget, openForWriting, targetTrouble } from '../copy/target.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { examples, formOption, repeated, whole } from '../options.ts'
import { progressOf } from '../progress.ts'
import { exitCodeOf } from '../report/outcome.ts'
import type { OpenSource } from '../source/open.ts'
import { painter } from '../terminal.ts'
import { ledgerKeysIn, trustFor } from '../trust.ts'
import { judgeOnAllCores } from '../verify-pool.ts'

interface CopyVerbOptions {
  readonly ledger?: readonly string[]
  readonly keys?: string
  readonly requireVerified?: true
  readonly tokens?: true
  readonly dataDir?: string
  readonly partitions?: number
  readonly replication?: number
  readonly threads?: number
  readonly output?: 'text' | 'json'
}

export function copyVerb(context: Context): Command {
  return new Command('copy')
    .summary('carry ledgers from a data folder to Kafka, back, or between clusters')
    .description(
      'Copies ledgers, entries and signatures unchanged, with the records kept beside them. The source is read only, and a service may run ' +
        'on it; it is verified on the way, and an entry that fails is not copied, nor what follows it. The copy is read back and compared. ' +
        'Run again, it goes on where it stopped. Signing keys and tokens stay where they are.',
    )
    .argument('<source>', 'data folder, or kafka://HOST:PORT[,…][/PREFIX]')
    .argument(
      '<target>',
      'new or partly copied data folder, or kafka://HOST:PORT[,…][/PREFIX]; no service may run on it',
    )
    .addOption(repeated('--ledger <name>', 'this ledger; repeatable (all that the source has)'))
    .option('--keys <file>', 'ledger keys to trust, as `keys export` prints them; got from somebody you trust')
    .option('--require-verified', 'copy nothing that is not verified; wants --keys')
    .option('--tokens', 'copy the records of tokens, too: they hold in the copy')
    .option(
      '--data-dir <dir>',
      'keep the replica of a target in Kafka there, for the service to use (a temporary folder)',
    )
    .option('--partitions <n>', 'of a new target in Kafka, for good (6)', whole(1, 1_000))
    .option('--replication <n>', 'how often a new target in Kafka is kept (by brokers, up to 3)', whole(1, 100))
    .option('--threads <n>', 'threads that check signatures (all cores)', whole(1, 256))
    .addOption(formOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      `
Exit codes:
  0   copied and verified                10  tampered, or another history in the target: the seq is named
  11  copied, and not wholly verified: without --keys always
  13  there is no ledger to copy         75  cut off: run it again, and it goes on
${examples(
  ['copy ./data kafka://127.0.0.1:9092 --keys keys.json --data-dir ./kafka-data', 'into Kafka'],
  ['copy kafka://127.0.0.1:9092 ./data --keys keys.json', 'out of Kafka, into a new data folder'],
  ['copy kafka://a:9092 kafka://b:9092/aep --keys keys.json --ledger acme/prod', 'one ledger, to another cluster'],
)}`,
    )
    .action((source: string, target: string, options: CopyVerbOptions) => copy(context, source, target, options))
}

async function copy(context: Context, from: string, to: string, options: CopyVerbOptions): Promise<void> {
  const [source, target] = [await placeOf(from, context), await placeOf(to, context)]
  checkApart(source, target)
  const { dataDir, partitions, replication } = options
  checkTarget(target, source, { dataDir, partitions, replication })
  if (options.keys !== undefined) ledgerKeysIn(options.keys)
  else if (options.requireVerified)
    throw new CliError(exitCodes.undecided, 'Without --keys nothing is verified, so nothing is copied.', 'Give --keys.')
  const startedMs = performance.now()
  const opened = await openForReading(source, context)
  try {
    const sources = chosen(opened, options.ledger)
    await checkHistory(sources, target, context)
    const { copies, tokens, named } = await write(context, { opened, sources, target, options })
    const ledgers = await compareBack(context, sources, copies, target)
    const differs = ledgers.some(({ parting }) => parting !== undefined)
    const verdict = differs ? 'tampered' : overall(ledgers)
    const result: CopyResult = {
      ...{ source, target, dataDir, verdict, ledgers, tokens, named },
      exitCode: exitCodeOf[verdict],
      elapsedMs: performance.now() - startedMs,
    }
    const text = options.output === 'json' ? copyJson(result) : copyText(result, painter(context.out))
    await context.out.write(text)
    context.exitCode = result.exitCode
  } finally {
    await opened.close()
  }
}

function chosen({ about, sources }: Readable, names: readonly string[] | undefined): readonly OpenSource[] {
  if (names === undefined) return sources
  const unknown = names.find(name => !sources.some(({ ledger }) => ledger === name))
  if (unknown === undefined) return sources.filter(({ ledger }) => names.includes(ledger))
  const there = sources.map(({ ledger }) => ledger).slice(0, 10)
  throw usageError(`There is no ledger ${unknown} in ${about}.`, `There is: ${there.join(', ') || 'none'}.`)
}

/** Sees that what the target has of these ledgers is how they begin. Throws where it is not; reads only. */
async function checkHistory(sources: readonly OpenSource[], target: Place, context: Context): Promise<void> {
  const there = await openIfThere(target, context)
  if (there === undefined) return
  try {
    for (const source of sources) {
      const copied = there.sources.find(({ ledger }) => ledger === source.ledger)
      const parting = copied && (await compare(source, copied)).parting
      if (parting === undefined || parting.what === 'target-ends') continue
      if (parting.what === 'source-ends') {
        throw usageError(
          `${source.ledger} goes on in ${target.about} at seq ${parting.seq}, where that of the source ends. Nothing was written.`,
          'Is the target the newer one? Then name them the other way round.',
        )
      }
      throw new CliError(
        exitCodes.invalid,
        `${target.about} holds another history of ${source.ledger} from seq ${parting.seq} on. Nothing was written.`,
        'Verify both, with pinned keys: one of them was changed, or two services signed the same ledger.',
      )
    }
  } finally {
    await there.close()
  }
}

interface Work {
  readonly opened: Readable
  readonly sources: readonly OpenSource[]
  readonly target: Place
  readonly options: CopyVerbOptions
}

interface Written {
  readonly copies: readonly LedgerCopy[]
  readonly tokens: number | undefined
  /** The installation's name, as the target has it now. */
  readonly named: string | undefined
}

async function write(context: Context, { opened, sources, target, options }: Work): Promise<Written> {
  const { dataDir, partitions, replication } = options
  const origin = await firstOrigin(sources)
  const writable = await openForWriting(target, { dataDir, partitions, replication, origin })
  const pool = judgeOnAllCores(options.threads)
  const progress = progressOf(context, 'copying', 'entries')
  try {
    const total = totalOf(sources)
    const copies: LedgerCopy[] = []
    let before = 0
    for (const source of sources) {
      await writable.begin(source.ledger)
      const one = await copyLedger(source, writable.log, {
        trust: trustFor({ ...(options.keys !== undefined && { keys: options.keys }) }, source.ledger, [source.ledger]),
        judge: pool,
        requireVerified: options.requireVerified === true,
        cancelled: context.cancelled,
        onProgress: entries => progress.at(before + entries, total),
      })
      copies.push(one)
      before += one.head.seq + 1
    }
    const tokens = options.tokens ? await copyTokens(opened, writable.log) : undefined
    await writable.settle()
    return { copies, tokens, named: writable.origin() }
  } catch (error) {
    throw targetTrouble(error, target.about)
  } finally {
    progress.end()
    await pool.close()
    await writable.close()
  }
}

/** Copies the tokens whose ids the target has not; returns how many. */
async function copyTokens(opened: Readable, log: EmbeddedLog): Promise<number> {
  const there = new Set((await log.tokens()).map(({ id }) => id))
  const missing = (await opened.tokens()).filter(({ id }) => !there.has(id))
  for (const token of missing) await log.putToken(token)
  return missing.length
}

/** Reads the copies back from where they lie, past the log that wrote them. */
async function compareBack(
  context: Context,
  sources: readonly OpenSource[],
  copies: readonly LedgerCopy[],
  target: Place,
): Promise<readonly LedgerResult[]> {
  const there = await openIfThere(target, context)
  const progress = progressOf(context, 'comparing', 'entries')
  try {
    const total = copies.reduce((sum, { head }) => sum + head.seq + 1, 0)
    const results: LedgerResult[] = []
    let before = 0
    for (const copied of copies) {
      const count = copied.head.seq + 1
      const source = sources.find(({ ledger }) => ledger === copied.ledger)
      const copy = there?.sources.find(({ ledger }) => ledger === copied.ledger)
      if (count === 0 || source === undefined) results.push(copied)
      else if (copy === undefined) results.push({ ...copied, parting: { seq: 0, what: 'target-ends' } })
      else {
        const { parting, first } = await readBack(source, copy, count, entries => {
          context.cancelled.throwIfAborted()
          progress.at(before + entries, total)
        })
        const origin = first && originIn(first.bytes, copied.ledger)
        results.push({ ...copied, ...(parting && { parting }), ...(origin && { origin }) })
      }
      before += count
    }
    return results
  } finally {
    progress.end()
    await there?.close()
  }
}

const totalOf = (sources: readonly OpenSource[]): number | undefined =>
  sources.reduce<number | undefined>(
    (sum, { total }) => (sum === undefined || total === undefined ? undefined : sum + total),
    0,
  )
