import { canonicalText } from '../aep/canonical.ts'
import { checkEvent } from '../aep/event/accept.ts'
import type { AepEvent } from '../aep/event/schema.ts'
import { isObject, type Json, type JsonObject } from '../aep/json.ts'
import { momentMs } from '../aep/time.ts'
import { textOf } from '../base/bytes.ts'
import {
  type EntryFrame,
  emitterSigVerdicts,
  entryBytesMax,
  entryVersion,
  type Intake,
  type LeafHash,
  recordSigVerdicts,
  type Seq,
} from './entry.ts'
import { frameIndex } from './frame-place.ts'

/** An entry, read. */
export type Entry = EntryFrame & { readonly v: typeof entryVersion; readonly event: AepEvent }

export type EntryFaultCode =
  | 'too-large'
  | 'not-utf8'
  | 'not-json'
  | 'not-canonical'
  | 'version-unknown'
  | 'member-missing'
  | 'member-unknown'
  | 'member-invalid'
  | 'event-invalid'

export interface EntryFault {
  readonly code: EntryFaultCode
  /** RFC 6901 pointer into the entry. */
  readonly pointer: string
  readonly detail: string
}

export type EntryDecoding =
  | { readonly ok: true; readonly entry: Entry }
  | {
      readonly ok: false
      /** The first thing wrong. */
      readonly fault: EntryFault
      /** The ledger's own members, where only the event is not what this version knows. */
      readonly frame?: EntryFrame
    }

/**
 * Reads an entry that nobody vouches for: exactly the members of an `aep-ledger/v1` entry, each of its kind, an event of a
 * known type that fits its schema, and all of it spelled in RFC 8785's one way. It does not ask where the entry belongs
 * or who signed it. Nothing makes it throw. Cost: a parse, a write and two walks of the event.
 */
export function decodeEntry(bytes: Uint8Array): EntryDecoding {
  if (bytes.length > entryBytesMax) return fault('too-large', '', `an entry has at most ${entryBytesMax} bytes`)
  const text = textOf(bytes)
  if (text === undefined) return fault('not-utf8', '', 'the bytes are not UTF-8')
  const sound = soundEntry(text)
  return sound === undefined ? unsoundEntry(text) : withEvent(sound)
}

/**
 * The entry that `text` is, where its form is right; the event in it is not judged. What stands behind the event is spelled
 * in one way only, so that one pattern tells all of it, and only the event is left to be parsed.
 */
function soundEntry(text: string): Entry | undefined {
  const end = frameIndex(text)
  const frame = end < 0 || !text.startsWith('{"event":{') ? undefined : frameAt(text, end)
  if (frame === undefined) return undefined
  const eventText = text.slice('{"event":'.length, end)
  const event = jsonOf(eventText)
  if (!isObject(event) || !isCanonical(eventText, event)) return undefined
  const { ledger, recorded_at, seq, ...rest } = frame
  if (!isLedgerName(ledger) || !isRecordedAt(recorded_at) || !isSeq(seq)) return undefined
  return { event: event as unknown as AepEvent, ledger, recorded_at, seq, ...rest, v: entryVersion }
}

const tail = new RegExp(
  String.raw`,"intake":\{"by":"([a-z0-9_-]{1,32})","emitter_sig":"(${emitterSigVerdicts.join('|')})",` +
    String.raw`"record_sig":"(${recordSigVerdicts.join('|')})"\},"key_id":"([0-9a-f]{32})",` +
    `"ledger":"([a-z0-9._/-]{1,128})","prev":"([0-9a-f]{64})",` +
    String.raw`"recorded_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","seq":(0|[1-9][0-9]{0,15}),"v":"${entryVersion}"\}$`,
  'y',
)

/**
 * The frame that begins at `at` of an entry's text and ends with it, `undefined` where the text there has another form.
 * Whether its name and its time are sound is not asked.
 */
export function frameAt(text: string, at: number): EntryFrame | undefined {
  tail.lastIndex = at
  const match = tail.exec(text)
  if (match === null) return undefined
  const [, by = '', emitter_sig, record_sig, key_id = '', ledger = '', prev, recorded_at = '', seq] = match
  return {
    intake: { by, emitter_sig: emitter_sig as Intake['emitter_sig'], record_sig: record_sig as Intake['record_sig'] },
    key_id,
    ledger,
    prev: prev as LeafHash,
    recorded_at,
    seq: Number(seq) as Seq,
  }
}

/** Says what is wrong with the form of an entry that is none. */
function unsoundEntry(text: string): EntryDecoding {
  const value = jsonOf(text)
  if (value === undefined) return fault('not-json', '', 'the bytes are not JSON')
  if (!isObject(value)) return fault('member-invalid', '', 'an entry is a JSON object')
  if (value['v'] !== undefined && value['v'] !== entryVersion) {
    return fault('version-unknown', '/v', `this version judges entries of ${entryVersion} only`)
  }
  const wrong = frameFault(value)
  if (wrong) return { ok: false, fault: wrong }
  if (!isCanonical(text, value))
    return fault('not-canonical', '', 'the bytes are not the RFC 8785 form of what they say')
  return withEvent(value as unknown as Entry)
}

/** Judges the event of an entry whose own form is right. */
function withEvent(entry: Entry): EntryDecoding {
  const event = checkEvent(entry.event as Json)
  if (event.ok) return { ok: true, entry }
  const [first] = event.errors
  const found = {
    code: 'event-invalid',
    pointer: `/event${first?.pointer ?? ''}`,
    detail: first?.detail ?? '',
  } as const
  return { ok: false, fault: found, frame: entry }
}

/** Reads an entry of one's own log, which `decodeEntry` or `encodeEntry` vouched for before: a bare parse. */
export const readEntry = (bytes: Uint8Array): Entry => JSON.parse(decoder.decode(bytes)) as Entry

const decoder = new TextDecoder()

const fault = (code: EntryFaultCode, pointer: string, detail: string): EntryDecoding => ({
  ok: false,
  fault: { code, pointer, detail },
})

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** What the texts of an entry look like. `recorded_at` has to be a moment as well. */
export const entryPatterns = {
  by: /^[a-z0-9_-]{1,32}$/,
  key_id: /^[0-9a-f]{32}$/,
  ledger: /^(?=.{1,128}$)(?!\.{1,2}(?:\/|$))[a-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[a-z0-9._-]+)*$/,
  prev: /^[0-9a-f]{64}$/,
  recorded_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
} as const

const isLedgerName = isText(entryPatterns.ledger)
const isStamp = isText(entryPatterns.recorded_at)
const isRecordedAt = (value: Json) => isStamp(value) && momentMs(value as string) !== undefined
const isSeq = (value: Json) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** What every member has to be. */
const members: Readonly<Record<string, (value: Json) => boolean>> = {
  event: isObject,
  intake: isObject,
  key_id: isText(entryPatterns.key_id),
  ledger: isLedgerName,
  prev: isText(entryPatterns.prev),
  recorded_at: isRecordedAt,
  seq: isSeq,
  v: value => value === entryVersion,
}

const intakeMembers: Readonly<Record<string, (value: Json) => boolean>> = {
  by: isText(entryPatterns.by),
  emitter_sig: isOneOf(emitterSigVerdicts),
  record_sig: isOneOf(recordSigVerdicts),
}

const frameFault = (value: JsonObject): EntryFault | undefined =>
  membersFault(value, members, '') ?? membersFault(value['intake'] as JsonObject, intakeMembers, '/intake')

function membersFault(value: JsonObject, known: typeof members, at: string): EntryFault | undefined {
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(known, name)) {
      const detail = `an entry has ${Object.keys(known).join(', ')} here and nothing else`
      return { code: 'member-unknown', pointer: `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail }
    }
  }
  for (const name in known) {
    const member = value[name]
    if (member === undefined) return { code: 'member-missing', pointer: `${at}/${name}`, detail: 'is missing' }
    if (known[name]?.(member) !== true) {
      return {
        code: 'member-invalid',
        pointer: `${at}/${name}`,
        detail: `${JSON.stringify(member).slice(0, 80)} does not fit`,
      }
    }
  }
  return undefined
}

function isText(pattern: RegExp): (value: Json) => boolean {
  return value => typeof value === 'string' && pattern.test(value)
}

function isOneOf(values: readonly string[]): (value: Json) => boolean {
  return value => typeof value === 'string' && values.includes(value)
}

/** Whether `text`, which says `value`, is its RFC 8785 form. */
function isCanonical(text: string, value: Json): boolean {
  try {
    return canonicalText(value) === text
  } catch {
    return false
  }
}
