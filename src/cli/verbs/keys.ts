import { Command } from 'commander'
import { ledgerKeys, revokedKey, rotatedKey } from '../../contract/admin.ts'
import { decodeEntry } from '../../ledger/decode.ts'
import { evolveKeys, noKeys } from '../../projections/keys.ts'
import { readFrame } from '../../verify/frame.ts'
import { ledgerVoice } from '../../verify/intake.ts'
import { clientOf, ledgerPath } from '../client.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { examples, formOption, whole } from '../options.ts'
import { isUrl, type RemoteOptions, remoteOf, remoteOptions, tokenOption } from '../settings.ts'
import { openSource } from '../source/open.ts'
import { painter, table } from '../terminal.ts'

type Keys = (typeof ledgerKeys)['_output']['keys']

interface RevokeOptions extends RemoteOptions {
  readonly compromisedSince?: number
  readonly reason?: string
}

interface KeysOptions extends RemoteOptions {
  readonly output?: 'table' | 'json'
}

export function keysVerb(context: Context): Command {
  const keys = new Command('keys')
    .summary('ledger keys: see, export, rotate, revoke')
    .description('The keys that sign a ledger.')
  const from = 'data folder or http(s) address (AEP_LEDGER_URL)'
  const list = new Command('list')
    .description('Lists the keys that sign a ledger, and which seqs each signs.')
    .argument('[source]', from)
  list
    .option('--ledger <name>', 'which ledger (AEP_LEDGER_LEDGER; default)')
    .addOption(formOption(['table', 'json'], 'table at a terminal, else json'))
  tokenOption(list).action((source: string | undefined, options: KeysOptions) => listKeys(context, source, options))
  const out = new Command('export')
    .description('Prints the keys of a ledger as the file that --keys takes.')
    .argument('[source]', from)
  out.option('--ledger <name>', 'which ledger (AEP_LEDGER_LEDGER; default)')
  out.addHelpText(
    'after',
    `
These keys are what the ledger says of itself. They prove something only to whoever got them another way: compare their
ids with those that the operator gives you.
${examples(['keys export > keys.json', 'from the service on this machine'], ['keys export ./data', 'from a data folder'])}`,
  )
  tokenOption(out).action((source: string | undefined, options: KeysOptions) => exportKeys(context, source, options))
  const rotate = new Command('rotate').description(
    'Makes a new signing key and puts it into force in every ledger. The old key signs the change.',
  )
  remoteOptions(rotate).action((options: KeysOptions) => rotateKey(context, options))
  const revoke = new Command('revoke')
    .description('Says in a ledger that a key is not to be believed any more. Rotate first: the key that signs stays.')
    .argument('<key>', 'id of the key, as list shows it')
    .option(
      '--compromised-since <seq>',
      'first seq at which somebody else may have signed with it',
      whole(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--reason <text>', 'for people')
    .addHelpText(
      'after',
      examples([
        'keys revoke a3f0b1c2d3e4f5061728394a5b6c7d8e --compromised-since 1204',
        'what stands from 1204 to now needs a pinned head',
      ]),
    )
  remoteOptions(revoke).action((key: string, options: RevokeOptions) => revokeKey(context, key, options))
  return keys.addCommand(list).addCommand(out).addCommand(rotate).addCommand(revoke)
}

async function listKeys(context: Context, source: string | undefined, options: KeysOptions): Promise<void> {
  const keys = await keysOf(context, source, options)
  if ((options.output ?? (context.out.isTty ? 'table' : 'json')) === 'json')
    return context.out.line(JSON.stringify({ keys }, null, 2))
  const paint = painter(context.out)
  const rows = keys.map(({ key_id, from_seq, to_seq, public_hex }) => [
    to_seq === undefined ? paint('green', key_id) : key_id,
    String(from_seq),
    to_seq === undefined ? 'now' : String(to_seq),
    public_hex,
  ])
  for (const line of table([['key', 'from seq', 'to seq', 'public key'], ...rows], [1, 2])) await context.out.line(line)
}

async function exportKeys(context: Context, source: string | undefined, options: KeysOptions): Promise<void> {
  const keys = await keysOf(context, source, options)
  await context.out.line(JSON.stringify({ keys }, null, 2))
  await context.err.line(
    'These keys come from the ledger itself. Whoever verifies has to get them, or compare their ids, another way.',
  )
}

async function keysOf(context: Context, source: string | undefined, options: KeysOptions): Promise<Keys> {
  const remote = remoteOf({ ...options, ...(source !== undefined && isUrl(source) && { url: source }) }, context.env)
  if (source === undefined || isUrl(source)) {
    const client = clientOf(remote, context.cancelled)
    return (await client.json(ledgerPath(remote.ledger, '/keys'), ledgerKeys, { tries: 3 })).keys
  }
  return keysIn(context, source, { ...options, ledger: remote.ledger })
}

/** The keys that the entries of a folder or an export name: read, not verified. */
async function keysIn(context: Context, path: string, options: KeysOptions): Promise<Keys> {
  const opened = await openSource(path, options, context)
  try {
    const [source] = opened.sources
    if (source === undefined) throw usageError(`There is no ledger in ${path}.`)
    let history = noKeys
    for await (const batch of source.entries(0)) {
      for (const { bytes } of batch) {
        if (readFrame(bytes)?.intake.by !== ledgerVoice) continue
        const decoding = decodeEntry(bytes)
        if (decoding.ok) history = evolveKeys(history, decoding.entry)
      }
    }
    if (history.turns.length === 0) {
      throw new CliError(
        exitCodes.nothing,
        `Ledger ${source.ledger} of ${path} names no key.`,
        'aep-ledger verify tells more.',
      )
    }
    return history.turns.map(({ keyId, publicHex, fromSeq, toSeq }) => ({
      key_id: keyId,
      alg: 'ed25519',
      public_hex: publicHex,
      from_seq: fromSeq,
      ...(toSeq !== undefined && { to_seq: toSeq }),
    }))
  } finally {
    await opened.close()
  }
}

async function rotateKey(context: Context, options: KeysOptions): Promise<void> {
  const client = clientOf(remoteOf(options, context.env), context.cancelled)
  const key = await client.json('/v1/keys/rotate', rotatedKey, { method: 'POST' })
  await context.out.line(JSON.stringify(key, null, 2))
  await context.err.line(
    `Key ${key.key_id} signs ${key.ledgers.join(', ')} from the next entry on. Give it to those who verify; back the data folder up.`,
  )
}

async function revokeKey(context: Context, key: string, options: RevokeOptions): Promise<void> {
  const remote = remoteOf(options, context.env)
  const { compromisedSince, reason } = options
  const revoked = await clientOf(remote, context.cancelled).json(
    ledgerPath(remote.ledger, `/keys/${encodeURIComponent(key)}/revoke`),
    revokedKey,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compromised_since_seq: compromisedSince, reason }),
    },
  )
  await context.out.line(JSON.stringify(revoked, null, 2))
  await context.err.line(`Seq ${revoked.seq} of ${remote.ledger} says that key ${key} is revoked.`)
}
