import { readFileSync, statSync } from 'node:fs'
import { Command } from 'commander'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { type Inspection, inspect, inspectEntry } from '../inspect.ts'
import { examples, formOption, whole } from '../options.ts'
import { isUrl, type RemoteOptions, remoteOf, tokenOption } from '../settings.ts'
import { unreadable } from '../source/lines.ts'
import { openSource } from '../source/open.ts'
import { clip, painter, shown, table } from '../terminal.ts'
import { keysIn } from '../trust.ts'

interface InspectOptions extends RemoteOptions {
  readonly seq?: number
  readonly keys?: string
  readonly output?: 'text' | 'json'
  readonly full?: true
}

export function inspectVerb(context: Context): Command {
  const command = new Command('inspect')
    .summary('explain one entry, envelope, event, record or receipt')
    .description(
      'Says what something is, what its parts are, what it hashes to, and, with keys, whether its signature holds. It takes a file (each line of a .jsonl), ' +
        'stdin, or one entry of a data folder, export or service by its seq.',
    )
    .argument('<source>', 'file, - for stdin, or with --seq a data folder, export or http(s) address')
    .option('--seq <seq>', 'the entry at this seq', whole(0))
    .option('--ledger <name>', 'which ledger (AEP_LEDGER_LEDGER; default)')
    .option('--keys <file>', 'keys to check signatures with')
    .option('--full', 'show long values whole')
    .addOption(formOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      examples(
        ['inspect ./data --seq 12 --keys keys.json', 'one entry of a data folder'],
        ['inspect event.json', 'would the ledger take this event, and as what?'],
        ['tail -n 1 --no-follow -o dsse | aep-ledger inspect -', 'the newest entry of the service'],
      ),
    )
  return tokenOption(command).action((source: string, options: InspectOptions) => run(context, source, options))
}

async function run(context: Context, source: string, options: InspectOptions): Promise<void> {
  const keys = options.keys === undefined ? [] : keysIn(options.keys)
  const found: Inspection[] = []
  if (options.seq === undefined) {
    if (isUrl(source)) throw usageError('Of a service one entry can be inspected.', 'Say which: --seq.')
    for (const bytes of valuesIn(source)) found.push(inspect(bytes, keys))
  } else {
    const entry = await entryAt(context, source, options.seq, options)
    found.push(
      entry.problem === undefined ? inspectEntry(entry.bytes, entry.signature, keys) : inspect(entry.bytes, keys),
    )
  }
  if (options.output === 'json') await context.out.line(JSON.stringify(found.length === 1 ? found[0] : found, null, 2))
  else for (const it of found) await show(context, it, options.full === true)
  if (found.some(it => it.broken)) context.exitCode = exitCodes.invalid
}

/** The JSON values of a file: all of it, or each of its lines where they are values of their own. */
function valuesIn(path: string): readonly Uint8Array[] {
  const bytes = readWhole(path)
  const lines = bytes
    .toString('latin1')
    .split('\n')
    .filter(line => line.trim() !== '')
  const isEach = lines.length > 1 && lines.every(line => /^\s*\{.*\}\s*$/.test(line))
  return isEach ? lines.map(line => Buffer.from(line, 'latin1')) : [trimmed(bytes)]
}

/** Without white space around: an entry's bytes have none, and editors add a line's end. */
function trimmed(bytes: Buffer): Uint8Array {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--
  return bytes.subarray(0, end)
}

function readWhole(path: string): Buffer {
  try {
    if (path !== '-' && statSync(path).isDirectory())
      throw usageError(`${path} is a folder.`, 'Say which entry of it: --seq.')
    return readFileSync(path === '-' ? 0 : path)
  } catch (error) {
    throw error instanceof CliError ? error : unreadable(path, error as NodeJS.ErrnoException)
  }
}

async function entryAt(context: Context, text: string, seq: number, options: InspectOptions) {
  const { tokenFile } = options
  const { ledger } = remoteOf(options, context.env)
  const opened = await openSource(text, { ledger, ...(tokenFile && { tokenFile }) }, context)
  try {
    for await (const [entry] of opened.sources[0]?.entries(seq) ?? []) {
      if (entry !== undefined && (entry.seq ?? seq) === seq) return entry
      break
    }
    throw new CliError(exitCodes.nothing, `There is no seq ${seq} in ledger ${ledger} of ${text}.`)
  } finally {
    await opened.close()
  }
}

async function show({ out }: Context, it: Inspection, full: boolean): Promise<void> {
  const paint = painter(out)
  await out.line(paint('bold', it.about))
  for (const { heading, rows } of it.parts) {
    await out.line(`\n${paint('cyan', heading)}`)
    const cells = rows.map(([name, value]) => [`  ${shown(name)}`, full ? shown(value) : clip(shown(value), 160)])
    for (const line of table(cells)) await out.line(line)
  }
  if (it.faults.length > 0) await out.line(`\n${paint('red', 'wrong with it')}`)
  for (const fault of it.faults) await out.line(`  ${shown(fault)}`)
  await out.line()
}
