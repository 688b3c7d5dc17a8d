import canonicalize from 'canonicalize'
import { isArray, type Json, type JsonObject } from './json.ts'

/**
 * RFC 8785 (JCS) text of an I-JSON value: the form of events and of our own entries. Throws where RFC 8785 has no form:
 * a lone surrogate or a number that is not finite, neither of which `parseJson` lets through by default.
 *
 * `JSON.stringify` writes strings and numbers as RFC 8785 does, at a third of the library's cost, and members in the order
 * they stand in; so it is asked for values whose members stand in order or were put there. All that leaves in doubt is the
 * library's: index-like names, which engines list first, `__proto__`, great depth, and what has no form.
 */
export function canonicalText(value: Json): string {
  const ordered = inOrder(value, 0)
  const quick = ordered === undefined ? undefined : JSON.stringify(ordered)
  // How a lone surrogate is written; what else holds these letters is written the same way by the library.
  if (quick !== undefined && !quick.includes('\\ud')) return quick
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('the value has no JSON form')
  return text
}

/** Deeper values go to the library, which needs no stack. */
const orderedDepthMax = 256

/** The value with the members of every object in the order of RFC 8785 section 3.2.3, itself if they are; or a doubt. */
function inOrder(value: Json, depth: number): Json | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (value === null || typeof value !== 'object') return value
  if (depth > orderedDepthMax) return undefined
  return isArray(value) ? arrayInOrder(value, depth + 1) : objectInOrder(value, depth + 1)
}

function arrayInOrder(items: readonly Json[], depth: number): readonly Json[] | undefined {
  let copy: Json[] | undefined
  for (let at = 0; at < items.length; at++) {
    const item = items[at]
    const ordered = item === undefined ? undefined : inOrder(item, depth)
    if (ordered === undefined) return undefined
    if (copy === undefined && ordered !== item) copy = items.slice(0, at)
    copy?.push(ordered)
  }
  return copy ?? items
}

function objectInOrder(object: JsonObject, depth: number): JsonObject | undefined {
  const names = Object.keys(object)
  let stands = true
  let before = ''
  for (const name of names) {
    if (isDigit(name.charCodeAt(0)) || name === '__proto__') return undefined
    stands &&= before <= name
    before = name
  }
  if (!stands) names.sort()
  let copy: Record<string, Json> | undefined = stands ? undefined : {}
  for (const name of names) {
    const member = object[name]
    const ordered = member === undefined ? undefined : inOrder(member, depth)
    if (ordered === undefined) return undefined
    if (copy === undefined && ordered !== member) copy = membersBefore(name, names, object)
    if (copy !== undefined) copy[name] = ordered
  }
  return copy ?? object
}

function membersBefore(name: string, names: readonly string[], object: JsonObject): Record<string, Json> {
  const copy: Record<string, Json> = {}
  for (const other of names) {
    const member = object[other]
    if (other === name || member === undefined) break
    copy[other] = member
  }
  return copy
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

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
