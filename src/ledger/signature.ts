import { pae, parseEnvelope } from '../aep/dsse.ts'
import type { Json } from '../aep/json.ts'
import { base64, fromBase64, hex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { StoredEntry } from './entry.ts'

/** Media type of an entry's bytes: the DSSE payload type that entries are signed and exported under. */
export const entryPayloadType = 'application/vnd.aep-ledger.entry+json'

/** The bytes that an entry's Ed25519 signature covers: `PAE(entryPayloadType, bytes)` of DSSE v1. */
export function signingInput(bytes: Uint8Array): Uint8Array {
  const input = new Uint8Array(signingInputLength(bytes.length))
  writeSigningInput(input, 0, bytes)
  return input
}

/** How long the signing input of `length` bytes is. */
export const signingInputLength = (length: number): number => paeHead.length + `${length} `.length + length

/**
 * Writes the signing input of `bytes` into `into` from `at` on, and answers where it ends; its last part are the bytes
 * themselves. It is asked for every signature made and checked, so all of its head but the length stands ready.
 */
export function writeSigningInput(into: Uint8Array, at: number, bytes: Uint8Array): number {
  const length = `${bytes.length} `
  into.set(paeHead, at)
  let next = at + paeHead.length
  for (let i = 0; i < length.length; i++) into[next++] = length.charCodeAt(i)
  into.set(bytes, next)
  return next + bytes.length
}

/** The encoding of an empty body, less its length and a space. */
const paeHead = pae(entryPayloadType, new Uint8Array(0)).slice(0, -2)

/** Id of a ledger's key: the first 32 hex digits of the SHA-256 of its 32 bytes. */
export const keyIdOf = (suite: Suite, publicKey: Uint8Array): string => hex(suite.sha256(publicKey)).slice(0, 32)

/** A DSSE v1 envelope as JSON. */
export interface EntryEnvelope {
  readonly payloadType: typeof entryPayloadType
  /** base64 of the entry bytes. */
  readonly payload: string
  readonly signatures: readonly [{ readonly keyid: string; readonly sig: string }]
}

/** A stored entry as any DSSE tool reads it. `keyId` is the entry's own `key_id`. */
export const entryEnvelope = (entry: Pick<StoredEntry, 'bytes' | 'signature'>, keyId: string): EntryEnvelope => ({
  payloadType: entryPayloadType,
  payload: base64(entry.bytes),
  signatures: [{ keyid: keyId, sig: base64(entry.signature) }],
})

export type EntryEnvelopeParse =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly signature: Uint8Array; readonly keyId: string }
  | { readonly ok: false; readonly detail: string }

/**
 * The entry bytes and signature that an exported envelope carries, unjudged: exactly one signature of 64 bytes, under the
 * payload type of entries. Nothing makes it throw.
 */
export function parseEntryEnvelope(json: Json): EntryEnvelopeParse {
  const parse = parseEnvelope(json)
  if (!parse.ok) {
    const detail = parse.problem === 'shape' ? 'it is no DSSE envelope' : 'its payload is not padded base64'
    return { ok: false, detail }
  }
  const { payloadType, payload, signatures } = parse.envelope
  if (payloadType !== entryPayloadType)
    return { ok: false, detail: `its payload type is ${JSON.stringify(payloadType)}` }
  const [first, ...others] = signatures
  if (first === undefined || others.length > 0) return { ok: false, detail: 'it has not exactly one signature' }
  if (first.keyid === undefined) return { ok: false, detail: 'its signature names no key' }
  const signature = fromBase64(first.sig)
  if (signature?.length !== 64) return { ok: false, detail: 'its signature is not 64 bytes of base64' }
  return { ok: true, bytes: payload, signature, keyId: first.keyid }
}
