import { readFileSync } from 'node:fs'
import { isArray, isObject, type Json, type JsonObject, parseJson } from '../aep/json.ts'
import { parseKeys, type TrustedKey } from '../aep/keyring.ts'
import { nodeSuite } from '../crypto/node.ts'
import { keyIdOf } from '../ledger/signature.ts'
import { parseCheckpoint } from '../verify/checkpoint.ts'
import type { HeldReceipt, Trust } from '../verify/port.ts'
import { CliError, exitCodes, usageError } from './exit.ts'
import { unreadable } from './source/lines.ts'

export interface TrustOptions {
  readonly keys?: string
  /** `[LEDGER@]SEQ:HASH`, as often as there are ledgers. */
  readonly head?: readonly string[]
  readonly checkpoint?: string
  readonly receipts?: string
}

/** Ledgers that have to be there: those that something is pinned for, or that are named; `undefined` for one without a name. */
export function expectedLedgers(options: TrustOptions & { readonly ledger?: string }): readonly (string | undefined)[] {
  const { head = [], checkpoint, receipts, ledger } = options
  const heads = head.map(text => parseHead(text).ledger ?? ledger)
  const other = ledger === undefined ? undefined : heads.find(name => name !== ledger)
  if (other !== undefined) {
    throw usageError(
      `--head names ${other}, and --ledger ${ledger}.`,
      'Leave one of them out, or let both name one ledger.',
    )
  }
  const others = checkpoint !== undefined || receipts !== undefined || ledger !== undefined ? [ledger] : []
  return [...new Set([...heads, ...others])]
}

/** What the options say is to be believed, for one of `ledgers`. Throws usage errors that name file and place. */
export function trustFor(options: TrustOptions, ledger: string, ledgers: readonly string[]): Trust {
  const heads = (options.head ?? []).map(parseHead)
  for (const head of heads) {
    if (head.ledger === undefined && ledgers.length > 1) {
      throw usageError(
        'A head belongs to one ledger, and there are several.',
        `Say which: --head LEDGER@${head.seq}:…, or --ledger.`,
      )
    }
  }
  if (ledgers.length > 1 && (options.checkpoint !== undefined || options.receipts !== undefined)) {
    throw usageError('--checkpoint and --receipts are about one ledger, and there are several.', 'Say which: --ledger.')
  }
  const own = heads.filter(head => (head.ledger ?? ledger) === ledger)
  if (own.length > 1) throw usageError(`Two heads are pinned for ${ledger}.`)
  const [head] = own
  return {
    keys: options.keys === undefined ? [] : keysIn(options.keys),
    ...(head && { head: { seq: head.seq, leafHash: head.leafHash } }),
    ...(options.checkpoint !== undefined && { checkpoint: checkpointIn(options.checkpoint) }),
    ...(options.receipts !== undefined && { receipts: receiptsIn(options.receipts) }),
  }
}

function parseHead(text: string): { ledger: string | undefined; seq: number; leafHash: string } {
  const match = /^(?:([a-z0-9._/-]+)@)?(0|[1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text)
  const [, ledger, seq = '', leafHash = ''] = match ?? []
  if (match === null) {
    throw usageError(
      `--head ${text}: that is no head.`,
      'It is SEQ:HASH, as verify prints it: the seq and 64 hex digits of its leaf hash.',
    )
  }
  return { ledger, seq: Number(seq), leafHash }
}

/** The keys of a key file. */
export function keysIn(path: string): readonly TrustedKey[] {
  const parsed = parseKeys(jsonIn(path))
  if (!parsed.ok) {
    const [first] = parsed.errors
    throw usageError(`${path} is no key file: ${first?.pointer || 'at its top'} ${first?.detail}.`, keysHint)
  }
  const keys = [...parsed.keys.values()].flat()
  if (keys.length === 0) throw usageError(`${path} holds no key.`, keysHint)
  return keys
}

/** The same for keys of ledgers, whose ids are digests of the keys. */
export function ledgerKeysIn(path: string): readonly TrustedKey[] {
  const keys = keysIn(path)
  for (const { keyId, publicKey } of keys) {
    const id = keyIdOf(nodeSuite, publicKey)
    if (publicKey.length !== 32 || id !== keyId) {
      throw usageError(
        `${path}: ${keyId} is not the id of its key, which is ${id}.`,
        'The file was changed, or these are no ledger keys.',
      )
    }
  }
  return keys
}

const keysHint = 'It is {"keys":[{"key_id":"…","public_hex":"…"}]}, as aep-ledger keys export prints it.'

function checkpointIn(path: string) {
  const checkpoint = parseCheckpoint(textIn(path))
  if (checkpoint === undefined) throw usageError(`${path} is no checkpoint (C2SP tlog-checkpoint).`)
  return checkpoint
}

/** Receipts, one JSON value a line or all in one: bare ones, or answers `{"items":[…]}` of the service. */
function receiptsIn(path: string): readonly HeldReceipt[] {
  const text = textIn(path)
  const whole = parseJson(text)
  const values = whole.ok
    ? [whole.value]
    : text.split('\n').flatMap((line, n) => (line.trim() === '' ? [] : [lineIn(path, line, n)]))
  const receipts = values.flatMap(value =>
    isArray(value) ? value : isObject(value) && isArray(value['items']) ? value['items'] : [value],
  )
  return receipts.map((value, n) => {
    const receipt = isObject(value) ? receiptOf(value) : undefined
    if (receipt === undefined)
      throw usageError(`${path}: value ${n + 1} is no receipt.`, 'A receipt has seq and leaf_hash.')
    return receipt
  })
}

function lineIn(path: string, line: string, n: number): Json {
  const parsed = parseJson(line)
  if (!parsed.ok) throw usageError(`${path}: line ${n + 1} is not JSON (${parsed.problems[0]?.detail}).`)
  return parsed.value
}

function receiptOf({ seq, leaf_hash: leafHash, id, source }: JsonObject): HeldReceipt | undefined {
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return undefined
  if (typeof leafHash !== 'string' || !/^[0-9a-f]{64}$/.test(leafHash)) return undefined
  return { seq, leafHash, ...(typeof id === 'string' && { about: `the receipt of ${source} ${id}` }) }
}

function jsonIn(path: string): Json {
  const parsed = parseJson(textIn(path))
  if (parsed.ok) return parsed.value
  throw usageError(`${path} is not JSON (${parsed.problems[0]?.detail}).`)
}

const textBytesMax = 64 << 20

/** A whole small file as text. */
export function textIn(path: string): string {
  try {
    const bytes = readFileSync(path === '-' ? 0 : path)
    if (bytes.length > textBytesMax) throw new CliError(exitCodes.usage, `${path} is over ${textBytesMax} bytes.`)
    return bytes.toString('utf8')
  } catch (error) {
    throw error instanceof CliError ? error : unreadable(path, error as NodeJS.ErrnoException)
  }
}
