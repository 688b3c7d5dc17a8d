import { z } from 'zod'
import {
  keyId,
  leafHash,
  ledgerName,
  ledgerScope,
  publicKeyHex,
  recordedAt,
  seq,
  sourcePrefix,
  tokenId,
} from './names.ts'

/** What admins do, and what anybody may know of a ledger: ledgers, keys, emitters, tokens, health. */

export const head = z
  .strictObject({ seq, leaf_hash: leafHash, recorded_at: recordedAt })
  .meta({ id: 'Head', description: 'The newest entry of a ledger.' })

export const ledgerState = z.strictObject({ ledger: ledgerName, head }).meta({ id: 'Ledger' })
export const ledgerList = z.strictObject({ items: z.array(ledgerState) }).meta({ id: 'Ledgers' })
export const newLedger = z.strictObject({ name: ledgerName }).meta({ id: 'NewLedger' })

export const ledgerKey = z
  .strictObject({
    key_id: keyId,
    alg: z.literal('ed25519'),
    public_hex: publicKeyHex,
    from_seq: seq.describe('First seq that it signs.'),
    to_seq: seq.optional().describe('Last seq that it signs; absent while it is the newest.'),
  })
  .meta({ id: 'LedgerKey' })
export const ledgerKeys = z
  .strictObject({ keys: z.array(ledgerKey) })
  .meta({ id: 'LedgerKeys', description: 'Keys that signed the ledger: the file that `--keys` takes.' })

export const rotatedKey = z
  .strictObject({ key_id: keyId, alg: z.literal('ed25519'), public_hex: publicKeyHex, ledgers: z.array(ledgerName) })
  .meta({ id: 'RotatedKey' })

export const keyRevocation = z
  .strictObject({
    compromised_since_seq: seq
      .optional()
      .describe('First seq at which somebody else may have signed with it; absent: no entry that is there now.'),
    reason: z.string().max(200).optional().describe('For people.'),
  })
  .meta({ id: 'KeyRevocation', description: 'What is to be said of a key that is not to be believed any more.' })
export const revokedKey = z
  .strictObject({ key_id: keyId, seq: seq.describe('The entry that says so.'), compromised_since_seq: seq.optional() })
  .meta({ id: 'RevokedKey' })

const sources = z.array(sourcePrefix).max(100).default([])

export const newEmitter = z
  .strictObject({
    key_id: keyId,
    public_hex: publicKeyHex,
    sources: sources.describe('`source` prefixes; empty: any.'),
  })
  .meta({ id: 'NewEmitter', description: 'A gateway’s own key, whose signatures intake is to recognise.' })

export const emitter = z
  .strictObject({ key_id: keyId, public_hex: publicKeyHex, sources: z.array(z.string()) })
  .meta({ id: 'Emitter' })

export const newToken = z
  .strictObject({
    label: z.string().max(200).default('').describe('What it is for; nobody but people reads it.'),
    role: z.enum(['emit', 'read', 'admin']).describe('`admin` includes the others; `emit` cannot read.'),
    ledgers: z.array(ledgerScope).min(1).max(100).describe('Ledgers that it holds for.'),
    sources: sources.describe('`source` prefixes that it may emit under; empty: any.'),
  })
  .meta({ id: 'NewToken' })

const tokenMembers = {
  id: tokenId,
  label: z.string(),
  role: z.enum(['emit', 'read', 'admin']),
  ledgers: z.array(z.string()),
  sources: z.array(z.string()),
  created_at: z.string(),
  revoked_at: z.string().optional(),
}

export const tokenState = z.strictObject(tokenMembers).meta({ id: 'Token', description: 'A token, without its text.' })
export const tokenList = z.strictObject({ items: z.array(tokenState) }).meta({ id: 'Tokens' })
export const madeToken = z
  .strictObject({ ...tokenMembers, token: z.string().describe('The token itself: shown here and never again.') })
  .meta({ id: 'MadeToken' })

export const live = z.strictObject({ status: z.literal('live') }).meta({ id: 'Live' })

export const ready = z
  .strictObject({
    status: z.literal('ready'),
    parts: z.array(
      z.strictObject({ name: z.string(), ready: z.boolean(), essential: z.boolean(), detail: z.string() }),
    ),
  })
  .meta({ id: 'Ready' })
