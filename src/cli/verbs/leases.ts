import { Command, Option } from 'commander'
import { leaseStatuses, leasesOfId, leasesPage } from '../../contract/leases.ts'
import { clientOf, ledgerPath } from '../client.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { examples, formOption, whole } from '../options.ts'
import { sayHowFar } from '../paging.ts'
import { type RemoteOptions, remoteOf, remoteOptions } from '../settings.ts'
import { clip, painter, type Style, shown, table } from '../terminal.ts'

interface LeasesOptions extends RemoteOptions {
  readonly state?: string
  readonly principal?: string
  readonly server?: string
  readonly tool?: string
  readonly at?: string
  readonly limit?: number
  readonly cursor?: string
  readonly all?: true
  readonly output?: 'table' | 'json' | 'jsonl'
}

type Page = (typeof leasesPage)['_output']
/** What was done under an id while no lease had it. */
type Strays = Partial<Pick<(typeof leasesOfId)['_output'], 'violations' | 'violation_count'>>
type Lease = Page['items'][number]

export function leasesVerb(context: Context): Command {
  const command = new Command('leases')
    .summary('what every lease was worth at a moment')
    .description(
      'Shows leases as they stand now, or stood at another moment: status, uses, and what violated them. An id may stand for several leases.',
    )
    .argument('[lease]', 'id of a lease; all without it')
    .addOption(new Option('--state <state>', 'status at that moment').choices([...leaseStatuses]))
    .option('--principal <hash>', 'principal hash')
    .option('--server <id>', 'server id')
    .option('--tool <name>', 'a tool that the lease grants')
    .option('--at <moment>', 'the moment asked about, by event time: RFC 3339, or ms since the epoch (now)')
    .option('--limit <n>', 'leases of one answer (100)', whole(1, 1000))
    .option('--cursor <cursor>', 'go on where an answer ended')
    .option('--all', 'go on to the last lease')
    .addOption(formOption(['table', 'json', 'jsonl'], 'table at a terminal, else jsonl'))
    .addHelpText(
      'after',
      examples(
        ['leases --state active', 'what may be done now'],
        ['leases 297d8f97ca8e1c3c --at 2026-09-07T09:20:00Z', 'one lease, as it was'],
      ),
    )
  return remoteOptions(command).action((lease: string | undefined, options: LeasesOptions) =>
    leases(context, lease, options),
  )
}

async function leases(context: Context, lease: string | undefined, options: LeasesOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const path = ledgerPath(
    client.remote.ledger,
    lease === undefined ? '/leases' : `/leases/${encodeURIComponent(lease)}`,
  )
  const { state, principal, server, tool, at, limit } = options
  if (lease !== undefined && [state, principal, server, tool].some(filter => filter !== undefined)) {
    throw usageError('--state, --principal, --server and --tool choose among all leases; here one is named.')
  }
  const form = options.output ?? (context.out.isTty ? 'table' : 'jsonl')
  const items: Lease[] = []
  for (let cursor = options.cursor; ; ) {
    const request = { query: { state, principal, server, tool, at, limit, cursor }, tries: 3 }
    const page: Page & Strays =
      lease === undefined ? await client.json(path, leasesPage, request) : await client.json(path, leasesOfId, request)
    if (form === 'jsonl') for (const item of page.items) await context.out.line(JSON.stringify(item))
    else items.push(...page.items)
    cursor = page.next ?? undefined
    if (cursor !== undefined && options.all === true && !context.out.gone.aborted) continue
    if (form === 'json') await context.out.line(JSON.stringify({ ...page, items }, null, 2))
    if (form === 'table') await showTable(context, items)
    if (form !== 'json') await sayStrays(context, page)
    if (form !== 'json') await sayHowFar(context, page)
    return
  }
}

async function sayStrays({ err }: Context, { violations = [], violation_count: count = 0 }: Strays): Promise<void> {
  const paint = painter(err)
  for (const { code, seq, detail } of violations)
    await err.line(paint('red', `${code} at seq ${seq}: ${shown(detail)}`))
  if (count > violations.length) await err.line(paint('red', `and ${count - violations.length} before these`))
}

const statusStyles: Readonly<Record<Lease['status'], Style>> = {
  active: 'green',
  exhausted: 'yellow',
  expired: 'dim',
  superseded: 'dim',
  revoked: 'red',
}

async function showTable({ out }: Context, items: readonly Lease[]): Promise<void> {
  if (items.length === 0) return out.line('No lease fits.')
  const paint = painter(out)
  const rows = items.map(it => [
    shown(it.lease_id),
    paint(statusStyles[it.status], it.status),
    `${it.invocation_count}/${it.max_invocations ?? '∞'}`,
    shown(it.server_id),
    clip(shown(it.granted_tools.join(' ')), 40),
    shown(it.principal_hash.slice(0, 12)),
    shown(it.expires_at),
    String(it.granted_seq),
    it.violation_count === 0 ? '' : paint('red', violationsOf(it)),
  ])
  const heads = ['lease', 'status', 'uses', 'server', 'tools', 'principal', 'expires', 'seq', 'violations']
  for (const line of table([heads, ...rows], [2, 7])) await out.line(line)
}

/** The kinds of violation that were told, and how many there are in all. */
const violationsOf = ({ violations, violation_count: count }: Lease): string =>
  `${[...new Set(violations.map(({ code }) => code))].join(' ')}${count > 1 ? ` (${count})` : ''}`
