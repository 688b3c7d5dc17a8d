import { concat, equalBytes, fromBase64, fromHex, textOf } from '../base/bytes.ts'
import type { Anchor, ChainOptions } from './chain.ts'
import { isArray, isObject, type Json, type JsonObject } from './json.ts'
import { type KeyRing, keyRing, type TrustedKey } from './keyring.ts'
import type { KeyWindow } from './record/judge.ts'

/**
 * How the conformance folder spells inputs, keys, anchors and expectations. The folder is test data: it is read leniently,
 * and only what is inside an input is judged.
 */

/** What the folder says an item's verdict should be. */
export interface Expected {
  readonly verdict: 'accept' | 'reject'
  readonly reasons: readonly string[]
  readonly findings: readonly string[]
  /** `must`: no room. `should`: another choice needs saying so. `choice`: either verdict, when it is deliberate. */
  readonly level: 'must' | 'should' | 'choice'
  readonly firstBadIndex?: number
}

export function expectedOf(source: JsonObject): Expected | undefined {
  const { expected } = source
  if (!isObject(expected)) return undefined
  const { verdict, level, first_bad_index: firstBadIndex } = expected
  return {
    verdict: verdict === 'accept' ? 'accept' : 'reject',
    reasons: textsOf(expected['reasons']),
    findings: textsOf(expected['findings']),
    level: level === 'should' || level === 'choice' ? level : 'must',
    ...(typeof firstBadIndex === 'number' ? { firstBadIndex } : {}),
  }
}

/** The exact input: `{text}`, `{text_b64}`, or `{text_parts}` of `{s}` and `{repeat, times}` joined in order. */
export function inputOf({ input }: JsonObject): string | Uint8Array | undefined {
  if (!isObject(input)) return undefined
  const { text, text_b64: inBase64, text_parts: parts } = input
  if (typeof text === 'string') return text
  if (typeof inBase64 === 'string') return fromBase64(inBase64)
  return isArray(parts) ? parts.map(partOf).join('') : undefined
}

function partOf(part: Json): string {
  if (!isObject(part)) return ''
  const { s, repeat, times } = part
  if (typeof s === 'string') return s
  return typeof repeat === 'string' && typeof times === 'number' ? repeat.repeat(times) : ''
}

/** The keys trusted for one item: its own, or those of the folder whose ids it lists. */
export function ringOf(source: JsonObject, trusted: ReadonlyMap<string, TrustedKey>): KeyRing {
  const { keys, keyring } = source
  if (isArray(keys)) return keyRing(keysOf(keys))
  return keyRing(textsOf(keyring).flatMap(id => trusted.get(id) ?? []))
}

/** Keys of a list; one whose bytes cannot be told has none, and no signature is good under it. */
export function keysOf(list: Json | undefined): TrustedKey[] {
  const keys = isObject(list) ? list['keys'] : list
  return (isArray(keys) ? keys : []).filter(isObject).map(key => ({
    keyId: String(key['key_id']),
    publicKey: key['alg'] === undefined || key['alg'] === 'ed25519' ? publicKeyOf(key) : concat(),
  }))
}

function publicKeyOf({ public_hex: inHex, public_b64: inBase64 }: JsonObject): Uint8Array {
  const a = typeof inHex === 'string' ? fromHex(inHex) : undefined
  const b = typeof inBase64 === 'string' ? fromBase64(inBase64) : undefined
  if (a && b && !equalBytes(a, b)) return concat()
  return a ?? b ?? concat()
}

export function optionsOf({ anchor, key_validity: validity }: JsonObject): ChainOptions {
  return {
    ...(isObject(anchor) ? { anchor: anchorOf(anchor) } : {}),
    ...(isArray(validity) ? { keyValidity: validity.filter(isObject).map(windowOf) } : {}),
  }
}

const anchorOf = ({ count, first_hash: firstHash, head_hash: headHash }: JsonObject): Anchor => ({
  ...(typeof count === 'number' ? { count } : {}),
  ...(typeof firstHash === 'string' ? { firstHash } : {}),
  ...(typeof headHash === 'string' ? { headHash } : {}),
})

const windowOf = ({ key_id: keyId, not_before_ms: notBeforeMs, not_after_ms: notAfterMs }: JsonObject): KeyWindow => ({
  keyId: String(keyId),
  ...(typeof notBeforeMs === 'number' ? { notBeforeMs } : {}),
  ...(typeof notAfterMs === 'number' ? { notAfterMs } : {}),
})

/** The JSON of a text as a lenient reader has it; `undefined` where there is none. */
export function readLeniently(text: string | Uint8Array | undefined): Json | undefined {
  const plain = typeof text === 'string' || text === undefined ? text : textOf(text)
  try {
    return plain === undefined ? undefined : JSON.parse(plain)
  } catch {
    return undefined
  }
}

const textsOf = (list: Json | undefined): readonly string[] =>
  isArray(list) ? list.filter(one => typeof one === 'string') : []
