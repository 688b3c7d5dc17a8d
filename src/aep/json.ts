import { textOf } from '../base/bytes.ts'
import { note, peek, readString, readValue, type Scan, stop } from './json-scan.ts'

/** A value of RFC 8259 JSON. Objects are plain and hold only own, enumerable, data properties. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [name: string]: Json
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** `Array.isArray`, which alone does not narrow to a readonly array. */
export const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value)

export type JsonReason =
  | 'not-json'
  | 'bom'
  | 'invalid-utf8'
  | 'duplicate-key'
  | 'unsafe-key'
  | 'number-lossy'
  | 'nesting-limit'
  | 'size-limit'
  | 'lone-surrogate'

export interface JsonProblem {
  readonly reason: JsonReason
  /** RFC 6901 pointer to the value that is wrong, or to the container that a syntax fault is in. */
  readonly pointer: string
  readonly detail: string
}

export interface JsonLimits {
  /** UTF-8 bytes of the text. */
  readonly bytesMax: number
  /** Containers inside each other; at most 1,024, so that no reader of the value runs out of stack. */
  readonly depthMax: number
  /** What to do with `\ud800` without its other half: RFC 7493 refuses it, the AEP reference signs it. */
  readonly loneSurrogates: 'refuse' | 'keep'
}

export type JsonParse =
  | { readonly ok: true; readonly value: Json }
  | {
      readonly ok: false
      /** In text order, at most 32. */
      readonly problems: readonly JsonProblem[]
      /**
       * What a lenient reader would make of it (the last of a name said twice, the nearest double, no `__proto__`);
       * absent where the text has no reading at all. For saying what else is wrong, never for use.
       */
      readonly reading?: Json
    }

export const jsonLimits: JsonLimits = { bytesMax: 4_194_304, depthMax: 256, loneSurrogates: 'refuse' }

const depthMaxHard = 1024

/**
 * The value of a JSON text, or everything that is wrong with it. One pass; strict RFC 8259, and I-JSON (RFC 7493) in what
 * it adds: no byte order mark, no name twice in an object, no number that loses digits as a double, no lone surrogate.
 *
 * A literal loses digits when its decimal value is not that of the shortest decimal that reads back as the same double:
 * `0.10`, `1e2` and `-0` do not, `9007199254740993` and `1e400` do. Nothing makes it throw.
 */
export function parseJson(input: string | Uint8Array, limits: Partial<JsonLimits> = {}): JsonParse {
  const { bytesMax, depthMax, loneSurrogates } = { ...jsonLimits, ...limits }
  if (typeof input !== 'string' && input.length > bytesMax) return tooLarge(bytesMax)
  const text = typeof input === 'string' ? input : textOf(input)
  if (text === undefined) return refused('invalid-utf8', 'the bytes are not UTF-8')
  if (typeof input === 'string') {
    if (longerThan(text, bytesMax)) return tooLarge(bytesMax)
    if (!text.isWellFormed()) return refused('invalid-utf8', 'the text holds a surrogate that UTF-8 cannot spell')
  }
  const s = scan(text, Math.min(depthMax, depthMaxHard), loneSurrogates === 'keep')
  if (text.charCodeAt(0) === 0xfeff) {
    s.at = 1
    note(s, 'bom', 'the text begins with a byte order mark')
  }
  const value = readValue(s)
  if (!s.stopped && !Number.isNaN(peek(s))) stop(s, 'not-json', 'text goes on after the value')
  if (s.problems.length === 0) return { ok: true, value }
  return s.stopped ? { ok: false, problems: s.problems } : { ok: false, problems: s.problems, reading: value }
}

/**
 * The exact source text of the value of `name` at the top of an object, `undefined` where there is none. For a text that
 * `parseJson` accepted: it looks only for where things begin and end. Cost: one walk over what stands before the end of it.
 */
export function memberText(text: string, name: string): string | undefined {
  const s = scan(text, depthMaxHard, true)
  if (peek(s) !== 0x7b) return undefined
  s.at++
  while (peek(s) === 0x22) {
    const found = readString(s) === name
    if (peek(s) !== 0x3a) return undefined
    s.at++
    peek(s)
    const from = s.at
    skipValue(s)
    if (s.stopped || s.at === from) return undefined
    if (found) return text.slice(from, s.at)
    if (peek(s) === 0x2c) s.at++
  }
  return undefined
}

const scan = (text: string, depthMax: number, keepSurrogates: boolean): Scan => ({
  text,
  at: 0,
  depth: 0,
  depthMax,
  keepSurrogates,
  problems: [],
  stopped: false,
})

const tooLarge = (bytesMax: number) => refused('size-limit', `the text is over ${bytesMax} bytes`)
const refused = (reason: JsonReason, detail: string): JsonParse => ({
  ok: false,
  problems: [{ reason, pointer: '', detail }],
})

/** Whether `text` takes more than `bytesMax` bytes of UTF-8; counts only where its length leaves doubt. */
function longerThan(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax) return true
  if (text.length * 3 <= bytesMax) return false
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    // Each half of a surrogate pair stands for two of its four bytes.
    if (c > 0x7f) bytes += c > 0x7ff && (c < 0xd800 || c > 0xdfff) ? 2 : 1
  }
  return bytes > bytesMax
}

/** Steps over a value of well-formed JSON. */
function skipValue(s: Scan): void {
  let depth = 0
  do {
    const c = peek(s)
    if (Number.isNaN(c) || s.stopped) return
    if (c === 0x22) readString(s)
    else {
      if (c === 0x7b || c === 0x5b) depth++
      else if (c === 0x7d || c === 0x5d) depth--
      s.at++
      if (depth === 0 && c !== 0x7d && c !== 0x5d) skipWord(s)
    }
  } while (depth > 0)
}

/** Steps over the rest of a number, `true`, `false` or `null`. */
function skipWord(s: Scan): void {
  for (let c = s.text.charCodeAt(s.at); c > 0x20 && c !== 0x2c && c !== 0x7d && c !== 0x5d; ) {
    c = s.text.charCodeAt(++s.at)
  }
}
