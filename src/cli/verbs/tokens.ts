import { Command, Option } from 'commander'
import { madeToken, tokenList } from '../../contract/admin.ts'
import { roles } from '../../log/control.ts'
import { clientOf } from '../client.ts'
import type { Context } from '../context.ts'
import { examples, formOption, repeated } from '../options.ts'
import { type RemoteOptions, remoteOf, tokenOption } from '../settings.ts'
import { painter, shown, table } from '../terminal.ts'

interface TokenOptions extends RemoteOptions {
  readonly output?: 'table' | 'json'
}

interface CreateOptions extends RemoteOptions {
  readonly role: (typeof roles)[number]
  readonly for?: readonly string[]
  readonly source?: readonly string[]
  readonly label?: string
  readonly output?: 'text' | 'json'
}

const urlOption = (command: Command): Command =>
  tokenOption(command).option('--url <url>', 'address of the service (AEP_LEDGER_URL; http://127.0.0.1:8080)')

export function tokensVerb(context: Context): Command {
  const create = new Command('create')
    .description('Makes a bearer token and prints it, once: the service keeps its hash only.')
    .addOption(
      new Option('--role <role>', 'what it may do; an emitter cannot read').choices([...roles]).makeOptionMandatory(),
    )
    .addOption(repeated('--for <ledger>', 'a ledger it holds for, or a prefix and *; repeatable (default)'))
    .addOption(repeated('--source <prefix>', 'a source prefix it may emit under; repeatable (any)'))
    .option('--label <text>', 'what it is for')
    .addOption(formOption(['text', 'json'], 'text'))
    .addHelpText(
      'after',
      examples(['tokens create --role emit --for acme/prod --source urn:gw:eu: --label gateway-eu', 'for one gateway']),
    )
  const list = new Command('list')
    .description('Lists tokens, without their text.')
    .addOption(formOption(['table', 'json'], 'table at a terminal, else json'))
  const revoke = new Command('revoke')
    .description('Ends a token at once.')
    .argument('<id>', 'id of the token, as list shows it')
  return new Command('tokens')
    .summary('bearer tokens: make, list, end')
    .description('Tokens let programs and people in, each with a role and for some ledgers.')
    .addCommand(urlOption(create).action((options: CreateOptions) => createToken(context, options)))
    .addCommand(urlOption(list).action((options: TokenOptions) => listTokens(context, options)))
    .addCommand(urlOption(revoke).action((id: string, options: TokenOptions) => revokeToken(context, id, options)))
}

async function createToken(context: Context, options: CreateOptions): Promise<void> {
  const { role, label = '', for: ledgers = ['default'], source: sources = [] } = options
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const made = await client.json('/v1/tokens', madeToken, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ role, label, ledgers, sources }),
  })
  if (options.output === 'json') return context.out.line(JSON.stringify(made, null, 2))
  await context.err.line(
    `Token ${made.id} may ${made.role} in ${made.ledgers.join(', ')}. It is shown now and never again:`,
  )
  await context.out.line(made.token)
}

async function listTokens(context: Context, options: TokenOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const { items } = await client.json('/v1/tokens', tokenList, { tries: 3 })
  if ((options.output ?? (context.out.isTty ? 'table' : 'json')) === 'json')
    return context.out.line(JSON.stringify({ items }, null, 2))
  const paint = painter(context.out)
  const rows = items.map(({ id, role, ledgers, sources, label, created_at, revoked_at }) => [
    id,
    revoked_at === undefined ? paint('green', role) : paint('red', 'revoked'),
    ledgers.join(' '),
    sources.join(' ') || 'any source',
    created_at,
    shown(label),
  ])
  for (const line of table([['token', 'role', 'ledgers', 'sources', 'made', 'label'], ...rows]))
    await context.out.line(line)
}

async function revokeToken(context: Context, id: string, options: TokenOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  await client.ask(`/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE', tries: 3 })
  await context.err.line(`Token ${id} is at an end.`)
}
