import { setImmediate as yieldLoop } from 'node:timers/promises'
import { canonicalText } from '../../aep/canonical.ts'
import type { AepEvent, EventOf } from '../../aep/event/schema.ts'
import { emitterSigVerdict, recordSigVerdict } from '../../aep/event/signature.ts'
import type { Json } from '../../aep/json.ts'
import type { KeyRing } from '../../aep/keyring.ts'
import { hex, utf8 } from '../../base/bytes.ts'
import { Fault, type FaultDetail } from '../../base/fault.ts'
import type { Intake } from '../../ledger/entry.ts'
import type { TokenRecord } from '../../log/control.ts'
import type { TakenEvent } from '../../log/intake.ts'
import type { AppPorts } from '../ports.ts'
import { keepRecord, recordOf } from './kept.ts'
import type { Accepted } from './read-events.ts'

/** What stands between an event that fits its schema and the intake: who may send it, what its signatures say, its size. */

export interface Door {
  readonly ports: AppPorts
  readonly ledger: string
  readonly caller: TokenRecord
  /** Bytes of an event's canonical form that fit an entry. */
  readonly eventBytesMax: number
}

interface Desk extends Door {
  readonly keys: KeyRing
  readonly takenAt: string
  /** The verdicts of nearly every event: one object for all of them. */
  readonly plain: Intake
}

type RecordEvent = EventOf<'aep.record'>

/** What the events of a request have become so far. */
interface Sorted {
  readonly taken: TakenEvent[]
  /** Those whose record is kept beside the log, or was. */
  readonly beside: Beside[]
  readonly tooLarge: FaultDetail[]
}

interface Beside {
  readonly n: number
  readonly one: Accepted
  readonly event: RecordEvent
}

/** Everybody else waits while signatures are verified: after so long others get their turn. */
const sliceMsMax = 20

/**
 * The events as the intake takes them, in order. A promise only where a record has to be kept beside the log, or was, or
 * where signatures take long, so that everything else goes on in the same turn. Throws `forbidden` for a source that the
 * token may not use, `entry-too-large`, and `invalid-event` for a record that is named but not kept for this ledger.
 */
export function takeEvents(door: Door, accepted: readonly Accepted[]): TakenEvent[] | Promise<TakenEvent[]> {
  checkSources(door.caller, accepted)
  const desk: Desk = {
    ...door,
    keys: door.ports.emitters(door.ledger),
    takenAt: door.ports.clock().toISOString(),
    plain: { by: door.caller.id, emitter_sig: 'absent', record_sig: 'not_a_record' },
  }
  const sorted: Sorted = { taken: [], beside: [], tooLarge: [] }
  const until = sortSome(desk, accepted, 0, sorted)
  return until === accepted.length ? finish(desk, sorted) : sortRest(desk, accepted, until, sorted)
}

/** Sorts events from `from` on, until all are or the time is up; returns where it stopped. */
function sortSome(
  desk: Desk,
  accepted: readonly Accepted[],
  from: number,
  { taken, beside, tooLarge }: Sorted,
): number {
  const since = performance.now()
  for (let n = from; ; n++) {
    const one = accepted[n]
    if (one === undefined) return n
    const { event } = one
    const intake = intakeOf(desk, event)
    taken.push(take(desk, one, intake))
    if (event.type === 'aep.record' && 'record_digest' in event.data) beside.push({ n, one, event })
    else if (!fits(one.canonical, desk.eventBytesMax)) {
      const why = whyNotBeside(event)
      if (why === undefined && event.type === 'aep.record') beside.push({ n, one, event })
      else tooLarge.push({ pointer: one.pointer, detail: sizeDetail(one.canonical, desk.eventBytesMax, why) })
    }
    if (intake !== desk.plain && performance.now() - since > sliceMsMax) return n + 1
  }
}

async function sortRest(
  desk: Desk,
  accepted: readonly Accepted[],
  from: number,
  sorted: Sorted,
): Promise<TakenEvent[]> {
  for (let at = from; at < accepted.length; ) {
    await yieldLoop()
    at = sortSome(desk, accepted, at, sorted)
  }
  return finish(desk, sorted)
}

function finish(desk: Desk, { taken, beside, tooLarge }: Sorted): TakenEvent[] | Promise<TakenEvent[]> {
  if (tooLarge.length > 0) throw new Fault('entry-too-large', 'Nothing was written.', tooLarge)
  return beside.length === 0 ? taken : takeBeside(desk, taken, beside)
}

const take = (desk: Desk, { event, canonical }: Pick<Accepted, 'event' | 'canonical'>, intake: Intake): TakenEvent => ({
  canonical,
  intake,
  takenAt: desk.takenAt,
  source: event.source,
  id: event.id,
})

/** `record` is the record of an event that only names it. */
function intakeOf(desk: Desk, event: AepEvent, record?: Uint8Array): Intake {
  const { ports, keys, plain } = desk
  if (event.emittersig === undefined && event.type !== 'aep.record') return plain
  const emitter_sig = emitterSigVerdict(event, keys, ports.suite)
  return { by: plain.by, emitter_sig, record_sig: recordSigVerdict(event, keys, ports.suite, record) }
}

function checkSources({ sources, id }: TokenRecord, accepted: readonly Accepted[]): void {
  if (sources.length === 0) return
  const errors = accepted
    .filter(({ event }) => !sources.some(prefix => event.source.startsWith(prefix)))
    .map(({ pointer }) => ({ pointer: `${pointer}/source`, detail: `is none that the token ${id} may send` }))
  if (errors.length > 0)
    throw new Fault('forbidden', 'The token is bound to other sources; nothing was written.', errors)
}

/** Whether the text has at most `bytesMax` bytes of UTF-8; most texts are counted by their length alone. */
const fits = (text: string, bytesMax: number): boolean =>
  text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax

/** Why the text of an event too large for an entry cannot be kept beside the log; `undefined` where it can. */
function whyNotBeside(event: AepEvent): string | undefined {
  if (event.type !== 'aep.record') return 'Send digests of what is large, and keep that elsewhere.'
  if (event.emittersig === undefined) return undefined
  return 'The record would be kept beside the log, but emittersig covers its text. Leave emittersig out: a record has its own signature.'
}

const sizeDetail = (canonical: string, bytesMax: number, why = ''): string =>
  `has ${Buffer.byteLength(canonical)} bytes in RFC 8785 form, and an entry holds ${bytesMax} of an event. ${why}`.trim()

async function takeBeside(desk: Desk, taken: TakenEvent[], beside: readonly Beside[]): Promise<TakenEvent[]> {
  const { ports, ledger } = desk
  if ((await ports.log.head(ledger)) === undefined) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
  const errors: FaultDetail[] = []
  const records: { readonly digest: string; readonly bytes: Uint8Array }[] = []
  for (const { n, one, event } of beside) {
    if ('record' in event.data) {
      const { record, ...context } = event.data
      const bytes = utf8(record)
      const digest = hex(ports.suite.sha256(bytes))
      const named = { ...event, data: { ...context, record_digest: digest, record_length: bytes.length } }
      const canonical = canonicalText(named as unknown as Json)
      if (!fits(canonical, desk.eventBytesMax)) {
        const detail = sizeDetail(canonical, desk.eventBytesMax, 'It is too large even without its record.')
        throw new Fault('entry-too-large', 'Nothing was written.', [{ pointer: one.pointer, detail }])
      }
      records.push({ digest, bytes })
      taken[n] = take(desk, { event: named, canonical }, intakeOf(desk, event))
    } else {
      const kept = await keptRecord(desk, event)
      if (kept === undefined) {
        const detail = 'names a record of that length that this ledger does not keep: send its text as `record`'
        errors.push({ pointer: `${one.pointer}/data/record_digest`, detail })
      } else taken[n] = take(desk, one, kept)
    }
  }
  if (errors.length > 0) throw new Fault('invalid-event', 'Nothing was written.', errors)
  for (const { digest, bytes } of records) await keepRecord(ports, ledger, digest, bytes)
  return taken
}

/** The verdicts on an event that names a record kept for this ledger; `undefined` where there is no such record. */
async function keptRecord(desk: Desk, event: RecordEvent): Promise<Intake | undefined> {
  if (!('record_digest' in event.data)) return undefined
  const { record_digest, record_length } = event.data
  const bytes = await recordOf(desk.ports, desk.ledger, record_digest)
  return bytes?.length === record_length ? intakeOf(desk, event, bytes) : undefined
}
