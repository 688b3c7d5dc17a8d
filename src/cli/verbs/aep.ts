import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { type ChainVerdict, judgeChain } from '../../aep/chain.ts'
import { type ConformanceStep, isRight, judgeFolder } from '../../aep/conformance.ts'
import { type KeyRing, keyRing } from '../../aep/keyring.ts'
import { judgeRecord, type RecordVerdict } from '../../aep/record/judge.ts'
import { nodeSuite } from '../../crypto/node.ts'
import type { Context } from '../context.ts'
import { exitCodes, usageError } from '../exit.ts'
import { examples, formOption } from '../options.ts'
import { linesOf, openBytes, unreadable } from '../source/lines.ts'
import { painter, plural, type Style, shown } from '../terminal.ts'
import { keysIn } from '../trust.ts'

interface AepVerifyOptions {
  readonly keys?: string
  readonly chain?: true
  readonly output?: 'text' | 'jsonl'
}

export function aepVerb(context: Context): Command {
  const verify = new Command('verify')
    .description(
      'Judges AEP records, v0.1 to v0.4, bare or in DSSE: every reason against a record, and everything that has to be known about one ' +
        'that is accepted. A .jsonl or .ndjson file and stdin hold a record a line, any other file one record; a folder is read for all three.',
    )
    .argument('<path...>', 'files, folders, or - for stdin')
    .option('--keys <file>', 'keys to trust: [{"key_id","public_hex"}]')
    .option('--chain', 'the records of a file are a chain: judge their links too')
    .addOption(formOption(['text', 'jsonl'], 'text at a terminal, else jsonl'))
    .addHelpText(
      'after',
      `
Exit codes: 0 all are accepted · 10 some are rejected, for a key that is not in the file, too · 11 without --keys, and only keys
are missing · 13 no record
${examples(['aep verify records.jsonl --keys keys.json', 'records of a file'], ['aep verify evidence/ --keys keys.json -o jsonl', 'for a program'])}`,
    )
    .action((paths: string[], options: AepVerifyOptions) => verifyRecords(context, paths, options))
  const conformance = new Command('conformance')
    .description(
      'Judges every item of a folder laid out as aep-conformance, a line each, and says on stderr how many came out as the folder expects.',
    )
    .argument('<dir>', 'the folder, with its manifest.json')
    .addOption(formOption(['jsonl'], 'jsonl'))
    .addHelpText(
      'after',
      `
Exit codes: 0 all that must be so came out so · 10 some did not · 11 some could not be judged · 13 no item
${examples(['aep conformance ../shared/aep-conformance -o jsonl > verdicts.jsonl', 'all verdicts'])}`,
    )
    .action((dir: string) => runConformance(context, dir))
  return new Command('aep')
    .summary('judge AEP records')
    .description('Agent Evidence Protocol records by themselves, without a ledger.')
    .addCommand(verify)
    .addCommand(conformance)
}

interface Tally {
  accepted: number
  rejected: number
  /** Rejected for want of keys alone, where none were given. */
  undecided: number
}

async function verifyRecords(context: Context, paths: readonly string[], options: AepVerifyOptions): Promise<void> {
  const keys = keyRing(options.keys === undefined ? [] : keysIn(options.keys))
  const form = options.output ?? (context.out.isTty ? 'text' : 'jsonl')
  const tally: Tally = { accepted: 0, rejected: 0, undecided: 0 }
  const tellOne = async (told: Told): Promise<void> => {
    count(tally, told, options.keys !== undefined)
    await tell(context, form, told)
  }
  for (const path of paths.flatMap(given => filesIn(given))) {
    if (options.chain === true) await tellOne(await chainOf(path, keys, context))
    else for await (const told of recordsOf(path, keys, context)) await tellOne(told)
    if (context.out.gone.aborted) break
  }
  const { accepted, rejected, undecided } = tally
  const paint = painter(context.err)
  const what = options.chain === true ? 'chain' : 'record'
  const bad = rejected + undecided
  await context.err.line(`${plural(accepted, what)} accepted, ${paint(bad > 0 ? 'red' : 'dim', `${bad} rejected`)}`)
  if (undecided > 0) await context.err.line('No keys were given: --keys FILE.')
  context.exitCode =
    rejected > 0
      ? exitCodes.invalid
      : undecided > 0
        ? exitCodes.undecided
        : accepted > 0
          ? exitCodes.ok
          : exitCodes.nothing
}

interface Told {
  readonly path: string
  readonly line?: number
  readonly verdict: RecordVerdict | ChainVerdict
}

function filesIn(path: string): string[] {
  if (path === '-') return ['-']
  try {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && /\.(?:json|jsonl|ndjson)$/.test(entry.name))
      .map(entry => join(entry.parentPath, entry.name))
      .sort()
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException)
  }
}

const isLines = (path: string): boolean => path === '-' || /\.(?:jsonl|ndjson)$/.test(path)
/** Longer than any record that is accepted. */
const lineBytesMax = 64 << 20

async function* recordsOf(path: string, keys: KeyRing, context: Context): AsyncGenerator<Told> {
  if (!isLines(path)) {
    yield { path, verdict: judgeRecord(bytesOf(path), keys, nodeSuite) }
    return
  }
  const { chunks } = await openBytes(path, context.stdin)
  for await (const lines of linesOf(chunks, lineBytesMax)) {
    for (const { bytes, number } of lines) yield { path, line: number, verdict: judgeRecord(bytes, keys, nodeSuite) }
  }
}

async function chainOf(path: string, keys: KeyRing, context: Context): Promise<Told> {
  const texts: Uint8Array[] = []
  const { chunks } = await openBytes(path, context.stdin)
  for await (const lines of linesOf(chunks, lineBytesMax))
    texts.push(...lines.map(({ bytes }) => Uint8Array.from(bytes)))
  return { path, verdict: judgeChain(texts, keys, nodeSuite) }
}

function bytesOf(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw unreadable(path, error as NodeJS.ErrnoException)
  }
}

/** A key that is unknown decides nothing only where none were given: else it is one that was not to be trusted. */
function count(tally: Tally, { verdict: { verdict, reasons } }: Told, keysGiven: boolean): void {
  const keysOnly = !keysGiven && reasons.every(reason => reason === 'key-unknown')
  tally[verdict === 'accept' ? 'accepted' : keysOnly ? 'undecided' : 'rejected']++
}

async function tell(context: Context, form: 'text' | 'jsonl', { path, line, verdict }: Told): Promise<void> {
  const { reasons, findings, notes } = verdict
  if (form === 'jsonl') {
    const more =
      'count' in verdict
        ? { first_bad_index: verdict.firstBadIndex ?? null, count: verdict.count }
        : { chain_hash: verdict.chainHash ?? null }
    return context.out.line(
      JSON.stringify({ path, line: line ?? null, verdict: verdict.verdict, reasons, findings, ...more, notes }),
    )
  }
  const paint = painter(context.out)
  const style: Style = verdict.verdict === 'accept' ? 'green' : 'red'
  const place = line === undefined ? path : `${path}:${line}`
  await context.out.line(
    `${paint(style, verdict.verdict)}  ${place}  ${paint('dim', [...reasons, ...findings].join(' '))}`,
  )
  for (const note of notes.slice(0, 10))
    await context.out.line(`    ${note.class}  ${note.pointer || '/'}  ${shown(note.detail)}`)
}

async function runConformance(context: Context, dir: string): Promise<void> {
  const readFile = (path: string): Uint8Array | undefined => {
    try {
      return readFileSync(join(dir, path))
    } catch {
      return undefined
    }
  }
  if (readFile('manifest.json') === undefined)
    throw usageError(`There is no manifest.json in ${dir}.`, 'Name a folder laid out as aep-conformance.')
  const counts: Counts = { items: 0, right: 0, wrong: [], mustWrong: 0, unexpected: 0, skipped: [] }
  for (const step of judgeFolder(readFile, nodeSuite)) {
    countStep(counts, step)
    if (step.kind === 'item') await context.out.line(JSON.stringify(step.item))
    if (context.out.gone.aborted) return
  }
  const paint = painter(context.err)
  const judged = `${plural(counts.items, 'item')}: ${counts.right} as the folder expects`
  await context.err.line(
    `${judged}, ${paint(counts.wrong.length > 0 ? 'red' : 'dim', `${counts.wrong.length} not`)}, ${counts.unexpected} without expectation`,
  )
  for (const line of [...counts.wrong, ...counts.skipped].slice(0, 50)) await context.err.line(`  ${shown(line)}`)
  context.exitCode =
    counts.mustWrong > 0
      ? exitCodes.invalid
      : counts.skipped.length > 0
        ? exitCodes.undecided
        : counts.items > 0
          ? exitCodes.ok
          : exitCodes.nothing
}

interface Counts {
  items: number
  right: number
  readonly wrong: string[]
  /** Those of `wrong` that the folder says must be so. */
  mustWrong: number
  unexpected: number
  readonly skipped: string[]
}

function countStep(counts: Counts, step: ConformanceStep): void {
  if (step.kind === 'skipped') {
    counts.skipped.push(`skipped ${step.file}: ${step.why}`)
    return
  }
  counts.items++
  const { item, expected, file } = step
  if (expected === undefined) counts.unexpected++
  else if (isRight(item, expected)) counts.right++
  else {
    const found = `${item.verdict} ${[...item.reasons, ...item.findings].join(' ')}`
    const wanted = `${expected.verdict} ${[...expected.reasons, ...expected.findings].join(' ')}`
    if (expected.level === 'must') counts.mustWrong++
    counts.wrong.push(`${expected.level} ${file} ${item.id}: ${found}; expected ${wanted}`)
  }
}
