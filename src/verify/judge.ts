import type { AepEvent } from '../aep/event/schema.ts'
import { momentMs } from '../aep/time.ts'
import { utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { decodeEntry, type Entry, type EntryFaultCode } from '../ledger/decode.ts'
import type { FindingCode, Remark, Say } from './findings.ts'
import { checkIntake, emitterRings } from './intake.ts'
import type { BatchJudgement, EntryBatch, Judge, Mention } from './port.ts'

/** A judge on this thread. */
export const judgeHere = (suite: Suite): Judge => ({
  inFlightMax: 1,
  judge: batch => Promise.resolve(judgeBatch(suite, batch)),
})

/**
 * Judges each entry of a batch by itself: structure, signature, and whether what the ledger established fits the event.
 * Nothing here depends on another entry. Cost: one Ed25519 verification and some 20 µs an entry.
 */
export function judgeBatch(suite: Suite, batch: EntryBatch): BatchJudgement {
  const emitters = emitterRings(batch.emitters)
  const out = emptyJudgement(batch.ends.length)
  const sources = new Map<string, number>()
  let from = 0
  for (const [index, end] of batch.ends.entries()) {
    const input = batch.inputs.subarray(from, end)
    const bytes = batch.inputs.subarray(batch.starts[index], end)
    from = end
    const say = (remark: Remark) => out.remarks.push({ ...remark, index })
    const entry = openEntry(bytes, say)
    // What the ledger did not sign is not what it said, so that nothing more is asked of it.
    if (!checkSignature(suite, batch, index, input, out.checked, say) || entry === undefined) continue
    checkIntake(suite, entry, emitters, say)
    noteReadings(suite, entry.event, index, out, sources)
    checkTime(entry, out.timesMs[index] ?? Number.NaN, say)
  }
  return out
}

/** An entry of untrusted bytes, if they are exactly one. */
export function openEntry(bytes: Uint8Array, say: Say): Entry | undefined {
  const decoding = decodeEntry(bytes)
  if (decoding.ok) return decoding.entry
  const { code, pointer, detail } = decoding.fault
  const found = pointer === '' ? detail : `${pointer}: ${detail}`
  say({ code: codeOf[code], cause: causeOf[codeOf[code]], found })
  return undefined
}

const codeOf = {
  'too-large': 'entry-too-large',
  'not-utf8': 'entry-malformed',
  'not-json': 'entry-malformed',
  'not-canonical': 'entry-not-canonical',
  'version-unknown': 'entry-malformed',
  'member-missing': 'entry-malformed',
  'member-unknown': 'entry-malformed',
  'member-invalid': 'entry-malformed',
  'event-invalid': 'event-malformed',
} as const satisfies Record<EntryFaultCode, FindingCode>

const causeOf = {
  'entry-too-large': 'The entry has more bytes than any that a ledger seals.',
  'entry-malformed': 'The bytes are not those of an aep-ledger/v1 entry.',
  'entry-not-canonical': 'The bytes are not the RFC 8785 form of what they say.',
  'event-malformed': 'The event does not fit its schema.',
}

/** False when the signature was checked and does not hold. */
function checkSignature(
  suite: Suite,
  batch: EntryBatch,
  index: number,
  input: Uint8Array,
  checked: Uint8Array,
  say: Say,
): boolean {
  const key = batch.keys[(batch.keyOf[index] ?? 0) - 1]
  if (key === undefined) return true
  checked[index] = 1
  const signature = batch.signatures.subarray(64 * index, 64 * index + 64)
  if (suite.verify(key, input, signature)) return true
  const cause = 'The signature is not one of these bytes under the key that the entry names.'
  say({ code: 'signature-invalid', cause })
  return false
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** Odd times are kept, for spools and replayed streams have them; they are worth a word. */
function checkTime({ event, recorded_at }: Entry, timeMs: number, say: Say): void {
  // Most events are of the day that they are recorded on, and both times are spelled alike: then no date is read again.
  const { time = '' } = event
  if (time.length === 24 && time <= recorded_at && time.startsWith(recorded_at.slice(0, 10))) return
  const ahead = timeMs - (momentMs(recorded_at) ?? Number.NaN)
  if (ahead > 5 * minuteMs) {
    const cause = 'The event says that it happened after it was recorded.'
    say({ code: 'time-future', cause, expected: `${recorded_at} or earlier`, found: time })
  } else if (ahead < -dayMs) {
    const cause = 'The event says that it happened more than a day before it was recorded.'
    say({ code: 'time-old', cause, expected: `${recorded_at} or a day earlier`, found: time })
  }
}

const emptyJudgement = (count: number) => ({
  remarks: [] as (Remark & { index: number })[],
  checked: new Uint8Array(count),
  identities: new Uint32Array(2 * count),
  sources: new Float64Array(count).fill(Number.NaN),
  timesMs: new Float64Array(count).fill(Number.NaN),
  sequences: new Float64Array(count).fill(Number.NaN),
  mentions: [] as Mention[],
})

/** Keeps of an event what the checks across entries need. `sources` holds the digests of this batch's sources. */
function noteReadings(
  suite: Suite,
  event: AepEvent,
  index: number,
  out: ReturnType<typeof emptyJudgement>,
  sources: Map<string, number>,
): void {
  const [high, low] = words(suite, `${event.source}\0${event.id}`)
  out.identities[2 * index] = high
  // Both words 0 would say that there is no identity.
  out.identities[2 * index + 1] = high === 0 && low === 0 ? 1 : low
  const known = sources.get(event.source) ?? digest48(suite, event.source)
  sources.set(event.source, known)
  out.sources[index] = known
  if (event.time !== undefined) out.timesMs[index] = momentMs(event.time) ?? Number.NaN
  if (event.sequence !== undefined) out.sequences[index] = Number(event.sequence)
  const mention = mentionOf(event, index)
  if (mention !== undefined) out.mentions.push(mention)
}

function digest48(suite: Suite, text: string): number {
  const [high, low] = words(suite, text)
  return (high & 0xffff) * 0x1_0000_0000 + low
}

/** The first eight bytes of the text's SHA-256, as two words. */
function words(suite: Suite, text: string): [number, number] {
  const digest = suite.sha256Hex(utf8(text))
  return [Number.parseInt(digest.slice(0, 8), 16), Number.parseInt(digest.slice(8, 16), 16)]
}

function mentionOf(event: AepEvent, index: number): Mention | undefined {
  if (event.type === 'aep.record' && 'record_digest' in event.data) {
    return { index, kind: 'record', digest: event.data.record_digest, length: event.data.record_length }
  }
  if (event.type === 'aep.gap') {
    const { count, first_sequence: first, last_sequence: last } = event.data
    return { index, kind: 'gap', count, ...(first !== undefined && { first }), ...(last !== undefined && { last }) }
  }
  if (event.type === 'aep.ledger.conflict') {
    const { source, id, first_seq: firstSeq } = event.data
    return { index, kind: 'conflict', about: `${source} ${id}`, firstSeq }
  }
  return undefined
}
