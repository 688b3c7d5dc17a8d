import { createHmac, timingSafeEqual } from 'node:crypto'
import { textOf, utf8 } from '../../base/bytes.ts'
import { emitterSigVerdicts, type Intake, recordSigVerdicts } from '../../ledger/entry.ts'
import type { TakenEvent } from '../intake.ts'
import type { KafkaRecord, NewRecord, Place } from './client.ts'

/** Events of one ledger that were accepted at one moment, in their order, and wait for their places together. */
export interface IntakeJob {
  readonly ledger: string
  readonly events: readonly TakenEvent[]
  /** What the ledger says of itself: it may make the ledger, or change the key that signs the next entry. */
  readonly isOwn: boolean
}

/** Bytes of events, with what the first line says of them, that one record takes at most, unless it is a single one. */
const eventsBytesMax = 600_000
const eventsMax = 1_000
/**
 * How far its stamp may be from the moment at which the broker took the record. `recorded_at` never goes backwards, so that a
 * stamp from the future would be that of every later entry.
 */
export const stampSkewMsMax = 10 * 60_000

/** Cuts a job into what records hold. */
export function* jobsOf({ ledger, events, isOwn }: IntakeJob): Generator<IntakeJob> {
  let from = 0
  let bytes = 0
  for (const [n, event] of events.entries()) {
    const { takenAt } = event
    const size = bytesOf(event)
    const ends = n - from === eventsMax || bytes + size > eventsBytesMax || takenAt !== events[from]?.takenAt
    if (n > from && ends) {
      yield { ledger, isOwn, events: events.slice(from, n) }
      from = n
      bytes = 0
    }
    bytes += size
  }
  if (from < events.length) yield { ledger, isOwn, events: events.slice(from) }
}

/** Bytes that an event takes of a record, in UTF-8, as JSON writes what the first line says of it. */
const bytesOf = ({ canonical, source, id, intake }: TakenEvent): number =>
  Buffer.byteLength(canonical) +
  Buffer.byteLength(JSON.stringify([source, id])) +
  Buffer.byteLength(intake.by) +
  verdictsBytes

/** More than the other members of a verdict take, with all that stands between. */
const verdictsBytes = 100

/**
 * A job as it stands in the intake topic. Key: the ledger. Value, in UTF-8: a line of JSON, and then a line for each event,
 * its RFC 8785 text (which holds no line break). Header `mac`: HMAC-SHA256 over the prefix of the topics, a slash, the number
 * of the partition, a zero byte and the value, under a key that Kafka does not hold: what somebody else puts there, or copies
 * from one partition to another, is not taken for what came through the door.
 *
 * The first line: `v` 1, `ledger`, `at` (when it was taken in), `own`, `ids` (`[source, id]` of each event) and `intake`
 * (`[by, emitter_sig, record_sig]`: one for all events where they are equal, else one each).
 */
export function intakeRecord(
  place: Place,
  prefix: string,
  key: Uint8Array,
  { ledger, events, isOwn }: IntakeJob,
): NewRecord {
  const verdicts = events.map(({ intake }) => [intake.by, intake.emitter_sig, intake.record_sig] as const)
  const [first] = verdicts
  const isPlain = events.every(({ intake }) => intake === events[0]?.intake)
  const line = JSON.stringify({
    ...{ v: 1, ledger, at: events[0]?.takenAt, own: isOwn },
    ids: events.map(({ source, id }) => [source, id]),
    intake: isPlain ? [first] : verdicts,
  })
  let text = line
  for (const { canonical } of events) text += `\n${canonical}`
  const value = utf8(text)
  return { ...place, key: ledger, value, headers: { mac: macOf(prefix, place.partition, key, value) } }
}

/** Why a record of the intake topic is not taken. */
export type IntakeFault = 'unauthenticated' | 'malformed' | 'stamp-out-of-bounds'

/** Reads a record back. Nothing in it is believed before its MAC is. */
export function readIntake(
  prefix: string,
  partition: number,
  key: Uint8Array,
  record: KafkaRecord,
): IntakeJob | IntakeFault {
  const mac = record.headers['mac']
  if (mac?.length !== 32 || !timingSafeEqual(mac, macOf(prefix, partition, key, record.value))) return 'unauthenticated'
  const [line = '', ...texts] = (textOf(record.value) ?? '').split('\n')
  const said = saidIn(line)
  if (said === undefined || said.ledger !== record.key || said.ids.length !== texts.length) return 'malformed'
  const skewMs = Math.abs(Date.parse(said.at) - record.timestampMs)
  if (!(skewMs <= stampSkewMsMax)) return 'stamp-out-of-bounds'
  const intakes = said.intake.map(intakeOf)
  const events = texts.map((canonical, n) => ({
    canonical,
    source: said.ids[n]?.[0] ?? '',
    id: said.ids[n]?.[1] ?? '',
    intake: intakes[intakes.length === 1 ? 0 : n] ?? noIntake,
    takenAt: said.at,
  }))
  return { ledger: said.ledger, events, isOwn: said.own }
}

interface Said {
  readonly v: number
  readonly ledger: string
  readonly at: string
  readonly own: boolean
  readonly ids: readonly (readonly [source: string, id: string])[]
  readonly intake: readonly (readonly [by: string, emitterSig: string, recordSig: string])[]
}

/** What an http node of this version wrote: it is authenticated, so that its shape is looked at and no more. */
function saidIn(line: string): Said | undefined {
  try {
    const said = JSON.parse(line) as Said
    const isWhole =
      said.v === 1 && Array.isArray(said.ids) && (said.intake.length === 1 || said.intake.length === said.ids.length)
    return isWhole ? said : undefined
  } catch {
    return undefined
  }
}

const noIntake: Intake = { by: '', emitter_sig: 'absent', record_sig: 'not_a_record' }

const intakeOf = ([by, emitterSig, recordSig]: Said['intake'][number]): Intake => ({
  by,
  emitter_sig: emitterSigVerdicts.find(one => one === emitterSig) ?? 'absent',
  record_sig: recordSigVerdicts.find(one => one === recordSig) ?? 'absent',
})

const separator = Uint8Array.of(0)

const macOf = (prefix: string, partition: number, key: Uint8Array, value: Uint8Array): Buffer =>
  createHmac('sha256', key).update(`${prefix}/${partition}`).update(separator).update(value).digest()
