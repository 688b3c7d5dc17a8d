import canonicalize from 'canonicalize'
import { isArray, type Json } from './json.ts'

/**
 * RFC 8785 (JCS) text of an I-JSON value: the form of events and of our own entries. Throws where RFC 8785 has no form:
 * a lone surrogate or a number that is not finite, neither of which `parseJson` lets through by default.
 */
export function canonicalText(value: Json): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('the value has no JSON form')
  return text
}

/**
 * The form that the AEP reference emitter signs and links: members sorted by UTF-16 code units, but array-index names
 * (canonical decimals 0 to 4294967294) first and by number; numbers as ECMAScript writes them, non-finite ones as `null`;
 * lone surrogates as lower-case escapes; a member named `__proto__` left out. No white space. It never throws on JSON.
 *
 * It differs from RFC 8785 in just those four points. ECMAScript itself gives all of them but the sorting: objects list
 * array-index names first (OrdinaryOwnPropertyKeys), and `JSON.stringify` does the rest, as it does for the reference.
 */
export const referenceCanonicalText = (value: Json): string => JSON.stringify(sorted(value))

function sorted(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (isArray(value)) return value.map(sorted)
  const object: Record<string, Json> = {}
  for (const name of Object.keys(value).sort()) {
    const member = value[name]
    if (member !== undefined && name !== '__proto__') object[name] = sorted(member)
  }
  return object
}
