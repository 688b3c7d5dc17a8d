import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { utf8 } from '../../base/bytes.ts'
import { ledgerState } from '../../contract/admin.ts'
import { eventStreamType } from '../../contract/entries.ts'
import { decodeEntry, type Entry } from '../../ledger/decode.ts'
import { type Client, clientOf, ledgerPath } from '../client.ts'
import type { Context } from '../context.ts'
import { gist } from '../entry-line.ts'
import { CliError, exitCodes } from '../exit.ts'
import { examples, formOption, whole } from '../options.ts'
import { type RemoteOptions, remoteOf, remoteOptions } from '../settings.ts'
import { entryOfLine } from '../source/envelopes.ts'
import { eventsOf } from '../sse.ts'
import { painter } from '../terminal.ts'

interface TailOptions extends RemoteOptions {
  readonly from?: number
  readonly lines: number
  readonly follow: boolean
  readonly output?: 'text' | 'jsonl' | 'dsse'
}

export function tailVerb(context: Context): Command {
  const command = new Command('tail')
    .summary('show entries as they come')
    .description(
      'Shows the newest entries of a ledger and goes on with each that comes, until Ctrl-C. It takes a lost connection up again where it was.',
    )
    .option('-n, --lines <n>', 'how many of the entries there are to begin with', whole(0), 10)
    .option('--from <seq>', 'begin at this seq instead', whole(0))
    .option('--no-follow', 'end at the newest entry')
    .addOption(formOption(['text', 'jsonl', 'dsse'], 'text at a terminal, else jsonl'))
    .addHelpText(
      'after',
      examples(['tail', 'what happens now'], ['tail --from 0 --no-follow -o jsonl', 'everything, for a program']),
    )
  return remoteOptions(command).action((options: TailOptions) => tail(context, options))
}

async function tail(context: Context, options: TailOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const { head } = await client.json(ledgerPath(client.remote.ledger), ledgerState)
  let next = options.from ?? Math.max(0, head.seq + 1 - options.lines)
  const show = shower(context, options.output ?? (context.out.isTty ? 'text' : 'jsonl'))
  const to = options.follow ? undefined : head.seq + 1
  for (let failed = 0; to === undefined || next < to; ) {
    try {
      for await (const { data } of await follow(client, next, to)) {
        const entry = entryIn(data)
        await show(entry, data)
        if (context.out.gone.aborted) return
        next = entry.seq + 1
        failed = 0
      }
    } catch (error) {
      if (context.cancelled.aborted || (error instanceof CliError && error.exitCode !== exitCodes.tryAgain)) throw error
    }
    if (to !== undefined && next >= to) return
    failed++
    if (failed === 1) await context.err.line('The stream ended; taking it up again.')
    await sleep(Math.random() * Math.min(10_000, 250 * 2 ** failed), undefined, { signal: context.cancelled })
  }
}

async function follow(client: Client, from: number, to: number | undefined) {
  const headers = { accept: eventStreamType }
  const answer = await client.ask(ledgerPath(client.remote.ledger, '/entries'), { query: { from, to }, headers })
  return eventsOf(answer.body ?? new ReadableStream<Uint8Array>())
}

/** The entry of an envelope. It is shown, not verified: that is `verify`'s. */
function entryIn(data: string): Entry {
  const { bytes, problem } = entryOfLine({ bytes: utf8(data), number: 1, offset: 0 })
  const decoding = problem === undefined ? decodeEntry(bytes) : undefined
  if (decoding?.ok) return decoding.entry
  const why = problem ?? decoding?.fault.detail
  throw new CliError(exitCodes.invalid, `The service sent what is no entry (${why}).`, 'aep-ledger verify tells more.')
}

function shower(context: Context, form: 'text' | 'jsonl' | 'dsse'): (entry: Entry, data: string) => Promise<void> {
  const { out } = context
  if (form === 'dsse') return (_, data) => out.line(data)
  if (form === 'jsonl') return entry => out.line(JSON.stringify(entry))
  const paint = painter(out)
  return ({ seq, recorded_at, event }) => {
    const at = recorded_at.replace('T', ' ').replace('Z', '')
    return out.line(
      `${String(seq).padStart(8)}  ${paint('dim', at)}  ${paint('cyan', event.type.padEnd(20))}  ${gist(event)}`,
    )
  }
}
