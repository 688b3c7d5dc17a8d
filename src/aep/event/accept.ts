import type { FaultDetail } from '../../base/fault.ts'
import { canonicalText } from '../canonical.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { faultsOf } from './faults.ts'
import { type Quick, quick } from './quick.ts'
import {
  type AepEvent,
  attributesSchema,
  type EventType,
  emitterEventTypes,
  eventSchemas,
  eventTypes,
  isEventType,
  isLedgerEventType,
} from './schema.ts'

export type Acceptance =
  | {
      readonly ok: true
      readonly event: AepEvent
      /** RFC 8785 text of the event: what its entry holds, and what a duplicate is compared by. */
      readonly canonical: string
    }
  | { readonly ok: false; readonly errors: readonly FaultDetail[] }

/**
 * Judges what an emitter sent: a value of `parseJson`, so that it is I-JSON already. Every fault is named, each with an
 * RFC 6901 pointer into `value`. The ledger's own types are refused. Cost: one walk to check, one to write.
 */
export function acceptEvent(value: Json): Acceptance {
  if (isObject(value) && isLedgerEventType(value['type'])) {
    const detail = `"${value['type']}" is written by the ledger itself and by nobody else`
    return { ok: false, errors: strangerFaults(value, detail) }
  }
  const checked = checkEvent(value)
  return checked.ok ? { ok: true, event: checked.event, canonical: canonicalText(value) } : checked
}

/** The event that `value` is, of any type, or every fault. For what stands in a ledger already, or is about to. */
export function checkEvent(
  value: Json,
): { readonly ok: true; readonly event: AepEvent } | { readonly ok: false; readonly errors: readonly FaultDetail[] } {
  if (!isObject(value)) return { ok: false, errors: [{ pointer: '', detail: 'an event is a JSON object' }] }
  const type = value['type']
  if (!isEventType(type)) return { ok: false, errors: strangerFaults(value, typeDetail(type)) }
  if (quickly[type](value)) return { ok: true, event: value as unknown as AepEvent }
  const result = schemaOf(type).safeParse(value)
  if (!result.success) return { ok: false, errors: faultsOf(result.error.issues, value, schemaOf(type)) }
  // zod gives back a copy whose members it checked one by one; the value itself is the same, and needs no second walk.
  return { ok: true, event: value as unknown as AepEvent }
}

/** The schemas again, as checks without words. */
const quickly = Object.fromEntries(eventTypes.map(type => [type, quick(eventSchemas[type])])) as Record<
  EventType,
  Quick
>

const schemaOf = (type: EventType): (typeof eventSchemas)[EventType] => eventSchemas[type]

/** The faults of an event whose type is not for its sender: its data can't be judged, its attributes can. */
function strangerFaults(value: JsonObject, detail: string): FaultDetail[] {
  const { error } = attributesSchema.safeParse(value)
  const others = error === undefined ? [] : faultsOf(error.issues, value, attributesSchema)
  return [...others, { pointer: '/type', detail }]
}

function typeDetail(type: Json | undefined): string {
  const known = `one of ${emitterEventTypes.join(', ')}`
  if (type === undefined) return `is missing: an event names its type, ${known}`
  return `${JSON.stringify(type)?.slice(0, 80)} is no type of event; it takes ${known}`
}
