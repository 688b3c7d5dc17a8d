import type { Json, JsonReason } from './json.ts'
import { isLossy } from './json-number.ts'

/** Where the reading of a JSON text stands. The readers below are one recursive descent over it; see `parseJson`. */
export interface Scan {
  readonly text: string
  at: number
  depth: number
  readonly depthMax: number
  readonly keepSurrogates: boolean
  readonly problems: { reason: JsonReason; pointer: string; detail: string }[]
  /** Set by a fault after which nothing more can be read. */
  stopped: boolean
}

const problemsMax = 32

/** Keeps a fault after which reading goes on. */
export function note(s: Scan, reason: JsonReason, detail: string): void {
  if (s.problems.length < problemsMax) s.problems.push({ reason, pointer: '', detail })
}

/** Keeps a fault after which there is nothing to read. */
export function stop(s: Scan, reason: JsonReason, detail: string): null {
  if (!s.stopped) {
    // The last fault is why there is no value, so it is told even when the list is full.
    if (s.problems.length === problemsMax) s.problems.pop()
    note(s, reason, `${detail}, at character ${s.at}`)
    s.stopped = true
  }
  return null
}

/** Puts `name` in front of the pointers of the problems found inside that member since `from`. */
function locate(s: Scan, from: number, name: string | number): void {
  const segment = typeof name === 'number' ? String(name) : name.replaceAll('~', '~0').replaceAll('/', '~1')
  for (let i = from; i < s.problems.length; i++) {
    const problem = s.problems[i]
    if (problem) problem.pointer = `/${segment}${problem.pointer}`
  }
}

/** The next character that is no white space, stepped to and not over; NaN at the end. */
export function peek(s: Scan): number {
  let c = s.text.charCodeAt(s.at)
  while (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) c = s.text.charCodeAt(++s.at)
  return c
}

export function readValue(s: Scan): Json {
  const c = peek(s)
  if (c === 0x22) return readString(s)
  if (c === 0x7b) return readObject(s)
  if (c === 0x5b) return readArray(s)
  if (c === 0x2d || (c >= 0x30 && c <= 0x39)) return readNumber(s, c)
  if (c === 0x74 && s.text.startsWith('true', s.at)) return word(s, 4, true)
  if (c === 0x66 && s.text.startsWith('false', s.at)) return word(s, 5, false)
  if (c === 0x6e && s.text.startsWith('null', s.at)) return word(s, 4, null)
  return stop(s, 'not-json', Number.isNaN(c) ? 'the text ends where a value should be' : 'no value can begin so')
}

function word<T>(s: Scan, length: number, value: T): T {
  s.at += length
  return value
}

function readObject(s: Scan): Json {
  if (++s.depth > s.depthMax) return stop(s, 'nesting-limit', `more than ${s.depthMax} levels`)
  const object: Record<string, Json> = {}
  s.at++
  let c = peek(s)
  if (c === 0x7d) s.at++
  else {
    for (;;) {
      if (c !== 0x22) return stop(s, 'not-json', 'a member name should begin here')
      const from = s.problems.length
      const name = readString(s)
      if (peek(s) !== 0x3a) return stop(s, 'not-json', 'a colon should follow the name')
      s.at++
      const value = readValue(s)
      if (name === '__proto__') note(s, 'unsafe-key', 'a member is named __proto__')
      else {
        if (object[name] !== undefined && Object.hasOwn(object, name))
          note(s, 'duplicate-key', 'the name is said twice')
        object[name] = value
      }
      if (s.problems.length > from) locate(s, from, name)
      if (s.stopped) return null
      c = peek(s)
      s.at++
      if (c === 0x7d) break
      if (c !== 0x2c) return unexpected(s, 'a comma or the end of the object')
      c = peek(s)
    }
  }
  s.depth--
  return object
}

function readArray(s: Scan): Json {
  if (++s.depth > s.depthMax) return stop(s, 'nesting-limit', `more than ${s.depthMax} levels`)
  const array: Json[] = []
  s.at++
  if (peek(s) === 0x5d) s.at++
  else {
    for (;;) {
      const from = s.problems.length
      const value = readValue(s)
      if (s.problems.length > from) locate(s, from, array.length)
      if (s.stopped) return null
      array.push(value)
      const c = peek(s)
      s.at++
      if (c === 0x5d) break
      if (c !== 0x2c) return unexpected(s, 'a comma or the end of the array')
    }
  }
  s.depth--
  return array
}

function unexpected(s: Scan, wanted: string): null {
  s.at--
  return stop(s, 'not-json', `${wanted} should be here`)
}

/** A string from its opening quote on; '' after a fault. Without escapes it is one slice of the text. */
export function readString(s: Scan): string {
  const { text } = s
  const from = s.at + 1
  for (let i = from; ; i++) {
    const c = text.charCodeAt(i)
    if (c === 0x22) {
      s.at = i + 1
      return text.slice(from, i)
    }
    if (c === 0x5c) return readEscaped(s, from, i)
    if (!(c >= 0x20)) return brokenString(s, i)
  }
}

/** The rest of a string whose first backslash is at `at`. */
function readEscaped(s: Scan, from: number, at: number): string {
  const { text } = s
  let out = ''
  let surrogates = false
  let i = at
  let start = from
  for (;;) {
    const c = text.charCodeAt(i)
    if (c === 0x22) break
    if (!(c >= 0x20)) return brokenString(s, i)
    if (c !== 0x5c) {
      i++
      continue
    }
    out += text.slice(start, i)
    const plain = unescaped[text.charAt(i + 1)]
    if (plain !== undefined) {
      out += plain
      i += 2
    } else {
      const unit = text.charCodeAt(i + 1) === 0x75 ? hexUnit(text, i + 2) : -1
      if (unit < 0) return brokenString(s, i)
      if (unit >= 0xd800 && unit <= 0xdfff) surrogates = true
      out += String.fromCharCode(unit)
      i += 6
    }
    start = i
  }
  s.at = i + 1
  out += text.slice(start, i)
  if (surrogates && !s.keepSurrogates && !out.isWellFormed()) {
    note(s, 'lone-surrogate', 'a surrogate stands without its other half')
  }
  return out
}

const unescaped: Readonly<Record<string, string>> = {
  __proto__: null,
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
} as unknown as Record<string, string>

/** The code unit of four hex digits at `at`, or -1. */
function hexUnit(text: string, at: number): number {
  let unit = 0
  for (let i = at; i < at + 4; i++) {
    const c = text.charCodeAt(i)
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : (c | 0x20) >= 0x61 && (c | 0x20) <= 0x66 ? (c | 0x20) - 0x57 : -1
    if (digit < 0) return -1
    unit = unit * 16 + digit
  }
  return unit
}

function brokenString(s: Scan, at: number): string {
  s.at = at
  stop(
    s,
    'not-json',
    at >= s.text.length ? 'a string has no end' : 'a string holds what must be escaped or is no escape',
  )
  return ''
}

/** A number; integers of up to 15 digits take the short way, because a double holds all of them. */
function readNumber(s: Scan, first: number): number {
  const { text } = s
  const from = s.at
  let i = first === 0x2d ? from + 1 : from
  const whole = i
  let value = 0
  let c = text.charCodeAt(i)
  while (c >= 0x30 && c <= 0x39) {
    value = value * 10 + (c - 0x30)
    c = text.charCodeAt(++i)
  }
  const digits = i - whole
  if (digits === 0 || (digits > 1 && text.charCodeAt(whole) === 0x30)) return brokenNumber(s, whole)
  const point = c === 0x2e
  if (point) {
    const end = skipDigits(text, i + 1)
    if (end === i + 1) return brokenNumber(s, end)
    i = end
    c = text.charCodeAt(i)
  }
  const exponent = c === 0x65 || c === 0x45
  if (exponent) {
    const sign = text.charCodeAt(i + 1)
    const start = sign === 0x2b || sign === 0x2d ? i + 2 : i + 1
    i = skipDigits(text, start)
    if (i === start) return brokenNumber(s, i)
  }
  s.at = i
  if (!point && !exponent && digits <= 15) return first === 0x2d ? -value : value
  const literal = text.slice(from, i)
  const number = Number(literal)
  if (isLossy(literal, number)) note(s, 'number-lossy', 'a double cannot hold this number')
  return number
}

function skipDigits(text: string, from: number): number {
  let i = from
  for (let c = text.charCodeAt(i); c >= 0x30 && c <= 0x39; c = text.charCodeAt(i)) i++
  return i
}

function brokenNumber(s: Scan, at: number): number {
  s.at = at
  stop(s, 'not-json', 'no number is spelled so')
  return 0
}
