import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { namedRecord } from '../../ledger/kept-record.ts'
import { entryEnvelope } from '../../ledger/signature.ts'
import { readFrame } from '../../verify/frame.ts'
import type { SourceEntry } from '../../verify/port.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { examples, whole } from '../options.ts'
import { progressOf } from '../progress.ts'
import { type RemoteOptions, remoteOf, tokenOption } from '../settings.ts'
import { type OpenSource, openSource } from '../source/open.ts'
import { counted } from '../terminal.ts'

interface ExportOptions extends RemoteOptions {
  readonly file?: string
  readonly from?: number
  readonly to?: number
  readonly records?: string
}

export function exportVerb(context: Context): Command {
  const command = new Command('export')
    .summary('write entries as DSSE envelopes, one a line')
    .description(
      'Writes a ledger as standard DSSE envelopes, one entry a line: all that verify needs, in a file that any DSSE tool reads. A file is ' +
        'there whole or not at all.',
    )
    .argument('[source]', 'data folder or http(s) address (AEP_LEDGER_URL)')
    .option('-f, --file <file>', 'write this file; stdout without it')
    .option('--ledger <name>', 'which ledger (AEP_LEDGER_LEDGER; default)')
    .option(
      '--from <seq>',
      'first seq; verify takes a ledger from seq 0 on, and calls a later part tampered',
      whole(0),
      0,
    )
    .option('--to <seq>', 'last seq (the newest)', whole(0))
    .option('--records <dir>', 'write records that are kept beside the log there, each under its digest')
    .addHelpText(
      'after',
      examples(
        ['export --file audit.dsse.jsonl', 'the ledger of the service on this machine'],
        [
          'export ./data --ledger acme/prod --records records > acme.dsse.jsonl',
          'from a data folder, with the large records',
        ],
      ),
    )
  return tokenOption(command).action((source: string | undefined, options: ExportOptions) =>
    run(context, source, options),
  )
}

async function run(context: Context, given: string | undefined, options: ExportOptions): Promise<void> {
  const remote = remoteOf(options, context.env)
  const { tokenFile } = options
  const opened = await openSource(
    given ?? remote.url,
    { ledger: remote.ledger, ...(tokenFile && { tokenFile }) },
    context,
  )
  const progress = progressOf(context, 'exporting', 'entries')
  const target = options.file === undefined ? undefined : newFile(options.file)
  try {
    const [source] = opened.sources
    if (source === undefined) throw usageError(`There is no ledger in ${opened.about}.`)
    let count = 0
    for await (const lines of linesOf(source, options)) {
      if (target === undefined) await context.out.write(lines.join(''))
      else target.write(lines.join(''))
      count += lines.length
      progress.at(count, source.total)
      if (context.cancelled.aborted || context.out.gone.aborted) break
    }
    if (count === 0)
      throw new CliError(exitCodes.nothing, `There is no such entry in ledger ${source.ledger} of ${opened.about}.`)
    if (context.cancelled.aborted) return
    target?.finish()
    progress.end()
    if ((options.from ?? 0) > 0)
      await context.err.line('This is a part: verify takes a ledger from seq 0 on, and misses what comes before.')
    if (options.file !== undefined)
      await context.err.line(`${counted(count)} entries of ${source.ledger} are in ${options.file}.`)
  } finally {
    progress.end()
    target?.drop()
    await opened.close()
  }
}

/** Envelopes of the wanted entries, a batch at a time; what is no entry cannot be exported. */
async function* linesOf(source: OpenSource, options: ExportOptions): AsyncGenerator<readonly string[]> {
  const { from = 0, to = Number.MAX_SAFE_INTEGER, records } = options
  if (records !== undefined) mkdirSync(records, { recursive: true })
  let seq = from
  for await (const batch of source.entries(from)) {
    const lines: string[] = []
    for (const entry of batch) {
      if (seq > to) break
      lines.push(`${JSON.stringify(envelopeOf(source, entry, seq))}\n`)
      if (records !== undefined) await keepRecord(source, entry, seq, records)
      seq++
    }
    if (lines.length > 0) yield lines
    if (seq > to) return
  }
}

function envelopeOf({ ledger }: OpenSource, entry: SourceEntry, seq: number) {
  const frame = entry.problem === undefined ? readFrame(entry.bytes) : undefined
  if (frame === undefined || frame.seq !== seq) {
    throw new CliError(
      exitCodes.invalid,
      `What stands at seq ${seq} of ${ledger} is not that entry.`,
      'aep-ledger verify tells more.',
    )
  }
  return entryEnvelope(entry, frame.key_id)
}

async function keepRecord(source: OpenSource, { bytes }: SourceEntry, seq: number, dir: string): Promise<void> {
  const digest = namedRecord(bytes)
  if (digest === undefined) return
  const record = await source.record?.(digest, seq)
  if (record === undefined) {
    throw new CliError(
      exitCodes.invalid,
      `The record ${digest} of seq ${seq} is not there.`,
      'aep-ledger verify tells more.',
    )
  }
  writeFileSync(join(dir, digest), record)
}

/** A file that is put into its place when it is whole, and leaves nothing behind when it is not. */
function newFile(path: string): { write(text: string): void; finish(): void; drop(): void } {
  const temporary = `${path}.${process.pid}.part`
  let file: number | undefined
  try {
    file = openSync(temporary, 'w', 0o600)
  } catch (error) {
    throw usageError(`${path} can't be written (${(error as NodeJS.ErrnoException).code}).`)
  }
  const close = () => {
    if (file !== undefined) closeSync(file)
    file = undefined
  }
  return {
    write(text) {
      if (file !== undefined) writeSync(file, text)
    },
    finish() {
      if (file !== undefined) fsyncSync(file)
      close()
      renameSync(temporary, path)
    },
    drop() {
      close()
      rmSync(temporary, { force: true })
    },
  }
}
