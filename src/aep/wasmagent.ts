import { hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { checkEvent } from './event/accept.ts'
import type { AepEvent } from './event/schema.ts'
import { isObject, type Json, type JsonObject, memberText, parseJson } from './json.ts'
import { momentText } from './time.ts'
import { kindOf, type LineKind, place } from './wasmagent-kinds.ts'

/**
 * Streams of the WasmAgent gateway and firewall, as NDJSON: one line becomes one event, and a line sent again the same
 * event again. Nothing a line says is lost: what has no member of its own in the event stands in `unmapped`, and a line
 * that is of no known kind, or lacks what its kind needs, becomes an `aep.vetting` of subject `unrecognised` with all of it.
 */

/** A line that cannot be kept as an event, because it is no JSON that we could give back. */
export class LineUnreadable extends Error {
  constructor(detail: string) {
    super(detail)
    this.name = 'LineUnreadable'
  }
}

/** CloudEvents `source` of a stream: made of its first line, so that it stays when the stream grows or is sent again. */
export const wasmagentSource = (firstLine: string, suite: Suite): string =>
  `urn:wasmagent:stream:${hex(suite.sha256(utf8(firstLine))).slice(0, 32)}`

/**
 * The event that a line of a stream says. `id` is the SHA-256 of the line's UTF-8 bytes, `time` its `t`, `sequence` its `n`.
 * Throws `LineUnreadable` when the line is no I-JSON object; of an `aep_record` line, the record itself may be anything.
 */
export function wasmagentEvent(line: string, stream: { readonly source: string }, suite: Suite): AepEvent {
  const said = lineOf(line)
  const attributes = attributesOf(said, stream.source, hex(suite.sha256(utf8(line))))
  const kind = kindOf(said)
  const event = kind === undefined ? undefined : eventOf(kind, said, line, attributes)
  return event ?? unrecognised(said, line, attributes)
}

/** The value of a line. A record is kept by its text, so what is odd within it is for its own verdict to say. */
function lineOf(line: string): JsonObject {
  const parsed = parseJson(line)
  const value = parsed.ok ? parsed.value : lineAroundRecord(line, parsed.reading)
  if (isObject(value)) return value
  if (parsed.ok) throw new LineUnreadable('it is no JSON object')
  const [first] = parsed.problems
  throw new LineUnreadable(`${first?.detail}${first?.pointer ? ` (at ${first.pointer})` : ''}`)
}

/** The line of a record with the record left out, when that is where all of the trouble is. */
function lineAroundRecord(line: string, reading: Json | undefined): Json | undefined {
  if (!isObject(reading) || reading['type'] !== 'aep_record') return undefined
  const record = memberText(line, 'data')
  if (record === undefined) return undefined
  const at = line.indexOf(record)
  const rest = parseJson(`${line.slice(0, at)}{}${line.slice(at + record.length)}`)
  return rest.ok && isObject(rest.value) && isObject(rest.value['data']) ? rest.value : undefined
}

interface Attributes {
  readonly event: { readonly specversion: '1.0'; readonly id: string; readonly source: string; readonly time?: string }
  /** Members of the line that the attributes carry already. */
  readonly taken: readonly string[]
}

function attributesOf({ t, n }: JsonObject, source: string, id: string): Attributes {
  const time = typeof t === 'number' ? momentText(t) : undefined
  const sequence = typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 ? n : undefined
  return {
    event: {
      specversion: '1.0',
      id,
      source,
      ...(time === undefined ? {} : { time }),
      ...(sequence === undefined ? {} : { sequence }),
    },
    taken: ['type', ...(time === undefined ? [] : ['t']), ...(sequence === undefined ? [] : ['n'])],
  }
}

/** The event of a known kind, or `undefined` where the line lacks what the kind needs. */
function eventOf(kind: LineKind, said: JsonObject, line: string, { event, taken }: Attributes): AepEvent | undefined {
  const isRecord = kind.type === 'aep.record'
  const record = isRecord ? memberText(line, 'data') : undefined
  if (isRecord && record === undefined) return undefined
  const placed = place(kind, said, [...taken, ...(isRecord ? ['data'] : [])])
  if (placed === undefined) return undefined
  const data = record === undefined ? placed : { ...placed, record }
  const checked = checkEvent({ ...event, type: kind.type, data })
  return checked.ok ? checked.event : undefined
}

function unrecognised(said: JsonObject, line: string, { event, taken }: Attributes): AepEvent {
  const { type } = said
  const format = `wasmagent/${typeof type === 'string' ? type.slice(0, 200) : ''}`
  const entries = Object.entries(said).filter(([name]) => name === 'type' || !taken.includes(name))
  // A record that I-JSON can't hold stays text.
  const unmapped = Object.fromEntries(
    type === 'aep_record'
      ? entries.map(([name, value]) => [name, name === 'data' ? (memberText(line, name) ?? value) : value])
      : entries,
  )
  return { ...event, type: 'aep.vetting', data: { subject: 'unrecognised', format, unmapped } }
}
