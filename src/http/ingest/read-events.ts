import { acceptEvent } from '../../aep/event/accept.ts'
import type { AepEvent } from '../../aep/event/schema.ts'
import { isArray, type Json, type JsonParse, parseJson } from '../../aep/json.ts'
import { Fault, type FaultDetail } from '../../base/fault.ts'
import { eventTypeBatch, eventTypeOne, jsonType, ndjsonType } from '../../contract/ingest.ts'
import type { Limits } from '../ports.ts'

/** From the bytes of a body to events: all of them, or everything that is wrong with any. */

export interface Accepted {
  readonly event: AepEvent
  /** RFC 8785 text of `event`. */
  readonly canonical: string
  /** RFC 6901 pointer to the event in the body; of NDJSON the body counts as the array of its lines. */
  readonly pointer: string
}

export interface ReadEvents {
  readonly events: readonly Accepted[]
  /** Whether the body is one event and no list: it fails alone, too. */
  readonly alone: boolean
}

export type BodyForm = 'one' | 'list' | 'either' | 'lines'

const forms: Readonly<Record<string, BodyForm>> = {
  [eventTypeOne]: 'one',
  [eventTypeBatch]: 'list',
  [jsonType]: 'either',
  [ndjsonType]: 'lines',
}

/** How the body is to be read by its Content-Type; throws `unsupported-media-type`, also for a charset but UTF-8. */
export function formOf(contentType: string | undefined): BodyForm {
  if (contentType !== undefined && Object.hasOwn(forms, contentType)) return forms[contentType] ?? 'one'
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  const form = Object.hasOwn(forms, type.trim()) ? forms[type.trim()] : undefined
  if (form === undefined) throw new Fault('unsupported-media-type', `Events come as ${Object.keys(forms).join(', ')}.`)
  const charset = parameters.map(parameter => parameter.trim()).find(parameter => parameter.startsWith('charset='))
  if (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)) {
    throw new Fault('unsupported-media-type', 'JSON is UTF-8, and so is what is sent here.')
  }
  return form
}

/** The events of `bytes`. Throws `malformed-json`, `invalid-event`, `invalid-request` (none), `body-too-large` (too many). */
export function readEvents(form: BodyForm, bytes: Uint8Array, limits: Limits): ReadEvents {
  if (form === 'lines') return { events: readLines(bytes, limits), alone: false }
  const parsed = parse(bytes, limits)
  if (!parsed.ok) throw new Fault('malformed-json', 'The body is no I-JSON.', [...jsonErrors(parsed, '', '')])
  if (form === 'list' && !isArray(parsed.value)) {
    throw new Fault('invalid-event', 'A batch is an array of events.', [{ pointer: '', detail: 'is not an array' }])
  }
  if (form === 'one' || !isArray(parsed.value)) return { events: [readOne(parsed.value)], alone: true }
  return { events: readList(parsed.value, limits), alone: false }
}

const parse = (bytes: Uint8Array, limits: Limits): JsonParse =>
  parseJson(bytes, { bytesMax: limits.bodyBytesMax, depthMax: limits.depthMax })

function readOne(value: Json): Accepted {
  const accepted = acceptEvent(value)
  if (accepted.ok) return { event: accepted.event, canonical: accepted.canonical, pointer: '' }
  const faults = new FaultList()
  faults.addAll(accepted.errors, '', '')
  throw faults.fault('The event does not fit its schema; nothing was written.', 'invalid-event')
}

function readList(values: readonly Json[], limits: Limits): readonly Accepted[] {
  checkCount(values.length, limits)
  const events: Accepted[] = []
  const faults = new FaultList()
  for (const [n, value] of values.entries()) {
    const accepted = acceptEvent(value)
    if (accepted.ok) events.push({ event: accepted.event, canonical: accepted.canonical, pointer: `/${n}` })
    else faults.addAll(accepted.errors, `/${n}`, '')
  }
  return faults.none ? events : faults.refuse(values.length)
}

function readLines(bytes: Uint8Array, limits: Limits): readonly Accepted[] {
  const lines = linesOf(bytes)
  checkCount(lines.length, limits)
  const events: Accepted[] = []
  const faults = new FaultList()
  for (const [n, line] of lines.entries()) {
    const parsed = parse(line, limits)
    const accepted = parsed.ok ? acceptEvent(parsed.value) : undefined
    if (accepted?.ok) events.push({ event: accepted.event, canonical: accepted.canonical, pointer: `/${n}` })
    else if (accepted !== undefined) faults.addAll(accepted.errors, `/${n}`, `line ${n + 1}: `)
    else if (!parsed.ok) faults.addJson(parsed, `/${n}`, `line ${n + 1}: `)
  }
  return faults.none ? events : faults.refuse(lines.length)
}

/** The lines of NDJSON; blank ones at the end are none, and a blank one between others is no JSON. */
function linesOf(bytes: Uint8Array): readonly Uint8Array[] {
  let end = bytes.length
  while (end > 0 && isSpace(bytes[end - 1])) end--
  const lines: Uint8Array[] = []
  for (let from = 0; from < end; ) {
    const at = bytes.indexOf(0x0a, from)
    const to = at < 0 || at > end ? end : at
    lines.push(bytes.subarray(from, to))
    from = to + 1
  }
  return lines
}

const isSpace = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09

function checkCount(count: number, { batchMax }: Limits): void {
  if (count === 0) throw new Fault('invalid-request', 'There is no event in the body.')
  if (count > batchMax)
    throw new Fault('body-too-large', `A request holds ${batchMax} events at most; here are ${count}.`)
}

/** What is wrong with a body, listed as far as anybody would read it. */
class FaultList {
  readonly #errors: FaultDetail[] = []
  #unlisted = 0
  #events = 0
  #malformed = false

  get none(): boolean {
    return this.#events === 0
  }

  addAll(errors: readonly FaultDetail[], pointer: string, prefix: string): void {
    this.#events += 1
    for (const [n, error] of errors.entries()) {
      if (n < errorsPerEventMax && this.#errors.length < errorsMax) {
        this.#errors.push({
          pointer: clip(pointer + error.pointer),
          detail: clip(prefix + error.detail),
        })
      } else this.#unlisted += 1
    }
  }

  addJson(parsed: JsonParse & { ok: false }, pointer: string, prefix: string): void {
    this.#malformed = true
    this.addAll([...jsonErrors(parsed, '', '')], pointer, prefix)
  }

  fault(detail: string, code: 'malformed-json' | 'invalid-event'): Fault {
    const more = this.#unlisted === 0 ? '' : ` ${this.#unlisted} more errors are not listed.`
    return new Fault(code, detail + more, this.#errors)
  }

  refuse(count: number): never {
    const detail = `${this.#events} of ${count} events cannot be taken; nothing was written.`
    throw this.fault(detail, this.#malformed ? 'malformed-json' : 'invalid-event')
  }
}

const errorsPerEventMax = 16
const errorsMax = 2000
const textMax = 400

const clip = (text: string): string => (text.length <= textMax ? text : `${text.slice(0, textMax)}…`)

function* jsonErrors(parsed: JsonParse & { ok: false }, pointer: string, prefix: string): Generator<FaultDetail> {
  for (const problem of parsed.problems) {
    yield { pointer: clip(pointer + problem.pointer), detail: clip(`${prefix}${problem.reason}: ${problem.detail}`) }
  }
}
