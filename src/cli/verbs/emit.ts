import { openSync, writeSync } from 'node:fs'
import { Command, Option } from 'commander'
import { ndjsonType, receipts } from '../../contract/ingest.ts'
import { type Client, clientOf, ledgerPath, ProblemError } from '../client.ts'
import type { Context } from '../context.ts'
import { type EmitFormat, emitFormats, lineReader } from '../emit-lines.ts'
import { exitCodes, usageError } from '../exit.ts'
import { examples, formOption, whole } from '../options.ts'
import { progressOf } from '../progress.ts'
import { type RemoteOptions, remoteOf, remoteOptions } from '../settings.ts'
import { linesOf, openBytes } from '../source/lines.ts'
import { counted, painter, shown } from '../terminal.ts'

interface EmitOptions extends RemoteOptions {
  readonly format: EmitFormat
  readonly batch: number
  readonly tries: number
  readonly receipts?: string
  readonly output?: 'text' | 'json'
}

export function emitVerb(context: Context): Command {
  const command = new Command('emit')
    .summary('send events, one a line, in order')
    .description(
      'Sends the events of a file, or of stdin, in order and in batches, and waits for each to be durable. Sent again, events are ' +
        'duplicates and change nothing: after an error or Ctrl-C run the same command again.',
    )
    .argument('<file>', 'NDJSON, one event a line; - for stdin')
    .addOption(
      new Option('--format <format>', 'cloudevents: events of this ledger; wasmagent: streams of the WasmAgent gateway')
        .choices([...emitFormats])
        .default('cloudevents'),
    )
    .option('--batch <n>', 'events of one request at most', whole(1, 500), 500)
    .option('--tries <n>', 'tries of one request, when the service is busy or away', whole(1, 1000), 8)
    .option('--receipts <file>', 'append the receipts there, one a line: what verify --receipts takes')
    .addOption(formOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      `
Exit codes: 0 all are in the ledger · 10 some were refused, or conflict with what is there · 75 try again
${examples(
  ['emit events.ndjson', 'send a file to the service on this machine'],
  ['emit stream.jsonl --format wasmagent', 'send a gateway’s stream'],
  ['emit - --ledger acme/prod --receipts receipts.ndjson', 'send what a pipe brings, and keep the receipts'],
)}`,
    )
  return remoteOptions(command).action((file: string, options: EmitOptions) => emit(context, file, options))
}

/** Told in full up to here, counted beyond. */
const troublesMax = 1000
const bodyBytesMax = 1 << 20
/** An event that is kept beside the log may be long. */
const lineBytesMax = 64 << 20

interface Sending {
  readonly line: number
  readonly text: string
}

interface Trouble {
  readonly line: number
  readonly status: 'conflict' | 'refused'
  readonly why: string
}

interface Tally {
  lines: number
  created: number
  duplicate: number
  conflict: number
  refused: number
  lastSeq: number | undefined
  readonly troubles: Trouble[]
}

async function emit(context: Context, file: string, options: EmitOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const input = await openBytes(file, context.stdin)
  const tally: Tally = { lines: 0, created: 0, duplicate: 0, conflict: 0, refused: 0, lastSeq: undefined, troubles: [] }
  const keep = options.receipts === undefined ? undefined : receiptWriter(options.receipts)
  const read = lineReader(options.format)
  const progress = progressOf(context, 'sending', input.bytes === undefined ? 'events' : 'bytes')
  const run: Run = { client, options, tally, keep, context }
  let batch: Sending[] = []
  let batchBytes = 0
  const flush = async () => {
    await send(run, batch)
    batch = []
    batchBytes = 0
  }
  try {
    for await (const lines of linesOf(input.chunks, lineBytesMax)) {
      for (const { bytes, number, offset } of lines) {
        tally.lines++
        const line = read(bytes)
        if (!line.ok) trouble(tally, { line: number, status: 'refused', why: line.why })
        else {
          if (batch.length >= options.batch || batchBytes + bytes.length > bodyBytesMax) await flush()
          batch.push({ line: number, text: line.text })
          batchBytes += bytes.length
        }
        if (number % 500 === 0) progress.at(input.bytes === undefined ? tally.lines : offset, input.bytes)
      }
      // What a pipe brings is not kept waiting for more.
      if (input.bytes === undefined) await flush()
    }
    await flush()
  } finally {
    progress.end()
  }
  await summarise(context, client, tally, options)
  if (tally.conflict + tally.refused > 0) context.exitCode = exitCodes.invalid
}

interface Run {
  readonly client: Client
  readonly options: EmitOptions
  readonly tally: Tally
  readonly keep: ((receipt: object) => void) | undefined
  readonly context: Context
}

/** Faults of events, not of the request: another request without the culprit succeeds. */
const eventFaults = ['malformed-json', 'invalid-event', 'entry-too-large', 'body-too-large', 'event-conflict']

/** Sends a batch. Where the service refuses it whole, its halves are sent in order, until the culprits stand alone. */
async function send(run: Run, batch: readonly Sending[]): Promise<void> {
  const [first] = batch
  if (first === undefined) return
  const { client, options, tally, context } = run
  try {
    const { items } = await client.json(ledgerPath(client.remote.ledger, '/events'), receipts, {
      method: 'POST',
      headers: { 'content-type': ndjsonType },
      body: batch.map(({ text }) => `${text}\n`).join(''),
      tries: options.tries,
      onRetry: (waitMs, why) => void context.err.line(`${why} Trying again in ${(waitMs / 1000).toFixed(1)} s.`),
    })
    for (const [n, item] of items.entries()) note(run, item, batch[n]?.line ?? first.line)
  } catch (error) {
    if (!(error instanceof ProblemError) || !eventFaults.includes(error.code)) throw error
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2)
      await send(run, batch.slice(0, half))
      await send(run, batch.slice(half))
      return
    }
    const [detail] = error.errors
    const why = detail === undefined ? error.message : `${detail.pointer} ${detail.detail}`
    trouble(tally, { line: first.line, status: error.code === 'event-conflict' ? 'conflict' : 'refused', why })
  }
}

function note(
  { tally, keep, client }: Run,
  item: (typeof receipts)['_zod']['output']['items'][number],
  line: number,
): void {
  if (item.status === 'conflict') {
    trouble(tally, {
      line,
      status: 'conflict',
      why: `${item.source} ${item.id} is at seq ${item.seq} with other content`,
    })
    return
  }
  tally[item.status]++
  tally.lastSeq = Math.max(tally.lastSeq ?? 0, item.seq)
  keep?.({ ledger: client.remote.ledger, ...item })
}

function trouble(tally: Tally, told: Trouble): void {
  tally[told.status]++
  if (tally.troubles.length < troublesMax) tally.troubles.push(told)
}

function receiptWriter(path: string): (receipt: object) => void {
  try {
    const file = openSync(path, 'a', 0o600)
    return receipt => void writeSync(file, `${JSON.stringify(receipt)}\n`)
  } catch (error) {
    throw usageError(`${path} can't be written (${(error as NodeJS.ErrnoException).code}).`)
  }
}

const troublesShown = 20

async function summarise(context: Context, { remote }: Client, tally: Tally, { output }: EmitOptions): Promise<void> {
  const { troubles, lastSeq, ...counts } = tally
  if (output === 'json') {
    const told = { url: remote.url, ledger: remote.ledger, ...counts, last_seq: lastSeq ?? null, troubles }
    return context.out.line(JSON.stringify(told, null, 2))
  }
  const paint = painter(context.out)
  const parts = [
    paint('green', `${counted(tally.created)} created`),
    `${counted(tally.duplicate)} duplicates`,
    paint(tally.conflict > 0 ? 'red' : 'dim', `${counted(tally.conflict)} conflicts`),
    paint(tally.refused > 0 ? 'red' : 'dim', `${counted(tally.refused)} refused`),
  ]
  const to = lastSeq === undefined ? '' : paint('dim', `  to seq ${lastSeq}`)
  await context.out.line(`${remote.ledger}: ${parts.join(' · ')}${to}`)
  for (const { line, status, why } of troubles.slice(0, troublesShown)) {
    await context.err.line(`  line ${line}: ${status}: ${shown(why)}`)
  }
  const more = tally.conflict + tally.refused - Math.min(troubles.length, troublesShown)
  if (more > 0) await context.err.line(`  and ${counted(more)} more; -o json lists up to ${troublesMax}`)
}
