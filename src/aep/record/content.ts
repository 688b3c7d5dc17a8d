import { utf8 } from '../../base/bytes.ts'
import { referenceCanonicalText } from '../canonical.ts'
import type { JsonObject } from '../json.ts'

/** `object` without the named members. */
export function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([member]) => !names.includes(member)))
}

/**
 * What a record says, without who vouches for it: every member but `signature` and `dsse_envelope`. Its reference form is
 * what the next record's `prev_record_hash` is the SHA-256 of.
 */
export const contentOf = (record: JsonObject): JsonObject => without(record, 'signature', 'dsse_envelope')

/** The reference form as bytes: what is signed and hashed. */
export const canonicalBytes = (content: JsonObject): Uint8Array => utf8(referenceCanonicalText(content))
