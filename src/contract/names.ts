import { z } from 'zod'

/** Names that travel in paths, queries and bodies, each with its one grammar. */

const segment = '(?!\\.{1,2}(?:/|$))[a-z0-9._-]+'

/** A ledger's name: `acme/prod`. In a path its slash is written `%2F`. */
export const ledgerName = z
  .string()
  .max(128)
  .regex(new RegExp(`^${segment}(?:/${segment})*$`), 'takes lower-case letters, digits, ".", "_", "-", and "/" between')
  .meta({ id: 'LedgerName', description: 'Name of a ledger; in a path `/` is written `%2F`.', examples: ['acme/prod'] })

/** Ledgers that a token holds for: a name, or a prefix and `*`. */
export const ledgerScope = z
  .string()
  .max(128)
  .regex(/^(?:\*|[a-z0-9._-][a-z0-9._/-]*\*?)$/, 'takes the name of a ledger, or a prefix that ends in "*"')
  .meta({
    id: 'LedgerScope',
    description: 'A ledger, or all whose names begin with what stands before `*`.',
    examples: ['acme/*'],
  })

/** Id of a token: what entries name as `intake.by`. */
export const tokenId = z
  .string()
  .regex(/^[a-z0-9_-]{1,32}$/, 'takes 1 to 32 of a-z, 0-9, "_" and "-"')
  .meta({ id: 'TokenId', description: 'Id of a token, as entries name it in `intake.by`.', examples: ['7fq2mzkx'] })

export const keyId = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'takes 1 to 128 visible ASCII characters')
  .meta({ id: 'KeyId', description: 'Id of a key.', examples: ['a3f0b1c2d3e4f5061728394a5b6c7d8e'] })

export const publicKeyHex = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'takes 64 lower-case hex digits')
  .meta({ id: 'PublicKey', description: 'Ed25519 public key (RFC 8032), 64 lower-case hex digits.' })

export const sourcePrefix = z.string().min(1).max(512)

export const seq = z.int().min(0).meta({ id: 'Seq', description: 'Place of an entry in its ledger: 0, 1, 2 …' })

export const leafHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ id: 'LeafHash', description: 'RFC 6962 leaf hash of an entry: SHA-256(0x00 || entry bytes).' })

export const recordedAt = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .meta({ id: 'RecordedAt', description: 'When the ledger took it in: RFC 3339 UTC with milliseconds.' })

export const signature = z
  .string()
  .regex(/^[A-Za-z0-9+/]{86}==$/)
  .meta({
    id: 'EntrySignature',
    description: 'base64 Ed25519 over the DSSE encoding of (application/vnd.aep-ledger.entry+json, entry bytes).',
  })
