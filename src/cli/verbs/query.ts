import { Command } from 'commander'
import type { AepEvent } from '../../aep/event/schema.ts'
import { searchPage } from '../../contract/search.ts'
import { type Client, clientOf, ledgerPath } from '../client.ts'
import type { Context } from '../context.ts'
import { gist } from '../entry-line.ts'
import { examples, formOption, repeated, whole } from '../options.ts'
import { sayHowFar } from '../paging.ts'
import { type RemoteOptions, remoteOf, remoteOptions } from '../settings.ts'
import { clip, painter, shown, table } from '../terminal.ts'

/** Parameters of the search that take several values, each with what it means. */
const lists = {
  type: 'event type: aep.decision …',
  principal: 'principal hash',
  run: 'run id',
  session: 'session id',
  server: 'server id',
  tool: 'tool name',
  decision: 'allow, deny, ask_user, dry_run',
  'deny-reason': 'class of the reason for a denial',
  'side-effect': 'class of the side effect; unknown finds the undeclared as well',
  lease: 'lease id',
  policy: 'policy id',
} as const

interface QueryOptions extends RemoteOptions {
  readonly since?: string
  readonly until?: string
  readonly q?: string
  readonly limit?: number
  readonly cursor?: string
  readonly all?: true
  readonly output?: 'table' | 'json' | 'jsonl'
  readonly [list: string]: unknown
}

export function queryVerb(context: Context): Command {
  const command = new Command('query')
    .summary('search events, newest first')
    .description(
      'Searches the events of a ledger. Options narrow; values of one option are alternatives. The answer says up to which seq it ' +
        'knows the ledger, and whether that is all there is.',
    )
    .option('--since <moment>', 'event time from here on: RFC 3339, or ms since the epoch')
    .option('--until <moment>', 'event time before here')
  for (const [name, says] of Object.entries(lists)) command.addOption(repeated(`--${name} <value>`, says))
  command
    .option('-q, --q <words>', 'words that all stand in the reasons')
    .option('--limit <n>', 'hits of one answer (50)', whole(1, 1000))
    .option('--cursor <cursor>', 'go on where an answer ended')
    .option('--all', 'go on to the last hit')
    .addOption(formOption(['table', 'json', 'jsonl'], 'table at a terminal, else jsonl'))
    .addHelpText(
      'after',
      `\nNames with an underscore are understood too: --deny_reason, --side_effect.\n${examples(
        ['query --decision deny --since 2026-01-01T00:00:00Z', 'what was denied this year'],
        ['query --tool write_file --side-effect unknown --all -o jsonl', 'calls whose side effect nobody declared'],
      )}`,
    )
  return remoteOptions(command).action((options: QueryOptions) => query(context, options))
}

/** A name of an HTTP parameter as an option has it. */
export const dashed = (argument: string): string =>
  /^--(?:deny_reason|side_effect)(?:=|$)/.test(argument) ? argument.replace('_', '-') : argument

async function query(context: Context, options: QueryOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const form = options.output ?? (context.out.isTty ? 'table' : 'jsonl')
  const items: Page['items'] = []
  let cursor = options.cursor
  for (;;) {
    const page = await ask(client, options, cursor)
    const last = page.next === null || options.all !== true || context.out.gone.aborted
    if (form === 'jsonl') for (const hit of page.items) await context.out.line(JSON.stringify(hit))
    else items.push(...page.items)
    cursor = page.next ?? undefined
    if (!last) continue
    if (form === 'json') await context.out.line(JSON.stringify({ ...page, items }, null, 2))
    if (form === 'table') await showTable(context, items)
    if (form !== 'json') await sayHowFar(context, page)
    return
  }
}

type Page = (typeof searchPage)['_output']

function ask(client: Client, options: QueryOptions, cursor: string | undefined): Promise<Page> {
  const { since, until, q, limit } = options
  const values = Object.keys(lists).map(name => {
    const value = options[name.replace(/-(.)/, (_, letter: string) => letter.toUpperCase())]
    return [name.replace('-', '_'), Array.isArray(value) ? value.map(String) : undefined] as const
  })
  const query = { since, until, ...Object.fromEntries(values), q, limit, cursor }
  return client.json(ledgerPath(client.remote.ledger, '/events'), searchPage, { query, tries: 3 })
}

async function showTable({ out }: Context, items: Page['items']): Promise<void> {
  if (items.length === 0) return out.line('Nothing fits.')
  const paint = painter(out)
  const rows = items.map(({ seq, time, entry }) => {
    const { type } = entry.event
    return [
      String(seq),
      paint('dim', time.replace('T', ' ')),
      paint('cyan', shown(type)),
      gist(entry.event as AepEvent),
    ]
  })
  for (const line of table([['seq', 'time', 'type', ''], ...rows], [0]))
    await out.line(clip(line, Math.max(60, out.columns + 30)))
}
