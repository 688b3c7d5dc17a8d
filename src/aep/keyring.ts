import { equalBytes, fromBase64, fromHex } from '../base/bytes.ts'
import type { FaultDetail } from '../base/fault.ts'
import { isArray, isObject, type Json, type JsonObject } from './json.ts'

/** A public key that somebody chose to trust. */
export interface TrustedKey {
  readonly keyId: string
  /** As given: it may be of the wrong length or no point at all, which whoever checks a signature with it has to say. */
  readonly publicKey: Uint8Array
  /** First and last moment at which it may sign, ms since the epoch, both inclusive. */
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** CloudEvents `source` prefixes that it signs for; absent or empty: any. */
  readonly sources?: readonly string[]
}

/** The trusted keys by id. An id may stand for several keys, and one key may stand under several ids. */
export type KeyRing = ReadonlyMap<string, readonly TrustedKey[]>

export type KeysParse =
  | { readonly ok: true; readonly keys: KeyRing }
  | { readonly ok: false; readonly errors: readonly FaultDetail[] }

export function keyRing(keys: Iterable<TrustedKey>): KeyRing {
  const ring = new Map<string, TrustedKey[]>()
  for (const key of keys) {
    const same = ring.get(key.keyId)
    if (same) same.push(key)
    else ring.set(key.keyId, [key])
  }
  return ring
}

/**
 * The key ring of a key file: a bare array or `{"keys": [...]}` of
 * `{key_id, public_hex | public_b64, alg?: "ed25519", not_before_ms?, not_after_ms?}`. Members beside these are left alone.
 * Whether a key is a sound point is not asked here: that is for the check of a signature to say.
 */
export function parseKeys(json: Json): KeysParse {
  const list = isObject(json) ? json['keys'] : json
  const at = isObject(json) ? '/keys' : ''
  if (!isArray(list)) return { ok: false, errors: [{ pointer: at, detail: 'an array of keys should be here' }] }
  const errors: FaultDetail[] = []
  const keys = list.flatMap((entry, index) => parseKey(entry, `${at}/${index}`, errors))
  return errors.length > 0 ? { ok: false, errors } : { ok: true, keys: keyRing(keys) }
}

function parseKey(entry: Json, at: string, errors: FaultDetail[]): TrustedKey[] {
  const before = errors.length
  const fault = (pointer: string, detail: string) => errors.push({ pointer: `${at}${pointer}`, detail })
  if (!isObject(entry)) {
    fault('', 'a key is an object')
    return []
  }
  const { key_id: keyId, alg, not_before_ms: notBeforeMs, not_after_ms: notAfterMs } = entry
  if (typeof keyId !== 'string' || keyId === '') fault('/key_id', 'a key has an id')
  if (alg !== undefined && alg !== 'ed25519') fault('/alg', 'only ed25519 keys are known')
  if (!isBound(notBeforeMs)) fault('/not_before_ms', 'ms since the epoch should be here')
  if (!isBound(notAfterMs)) fault('/not_after_ms', 'ms since the epoch should be here')
  const publicKey = publicKeyOf(entry, fault)
  if (errors.length > before || typeof keyId !== 'string' || publicKey === undefined) return []
  return [
    {
      keyId,
      publicKey,
      ...(typeof notBeforeMs === 'number' ? { notBeforeMs } : {}),
      ...(typeof notAfterMs === 'number' ? { notAfterMs } : {}),
    },
  ]
}

const isBound = (value: Json | undefined) => value === undefined || typeof value === 'number'

function publicKeyOf(entry: JsonObject, fault: (pointer: string, detail: string) => void): Uint8Array | undefined {
  const { public_hex: inHex, public_b64: inBase64 } = entry
  const fromHexText = typeof inHex === 'string' ? fromHex(inHex.toLowerCase()) : undefined
  const fromBase64Text = typeof inBase64 === 'string' ? fromBase64(inBase64) : undefined
  if (inHex !== undefined && fromHexText === undefined) fault('/public_hex', 'hex digits should be here')
  if (inBase64 !== undefined && fromBase64Text === undefined) fault('/public_b64', 'base64 should be here')
  if (inHex === undefined && inBase64 === undefined) fault('', 'a key has public_hex or public_b64')
  if (fromHexText && fromBase64Text && !equalBytes(fromHexText, fromBase64Text)) {
    fault('/public_b64', 'it is another key than public_hex')
  }
  return fromHexText ?? fromBase64Text
}
