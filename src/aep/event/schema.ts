import { z } from 'zod'
import { emitterData } from './emitter-data.ts'
import { ledgerData } from './ledger-data.ts'
import { dateTime, name, textMax } from './members.ts'

/**
 * Events: CloudEvents 1.0 in JSON, of a closed set of types. Whoever wants the type, the JSON Schema or the check of an
 * event takes it from here.
 */

const attributes = {
  specversion: z.literal('1.0'),
  id: name,
  source: name,
  time: dateTime
    .exactOptional()
    .meta({ format: 'date-time', description: 'When it happened, by the emitter. RFC 3339; odd moments are kept.' }),
  subject: name.exactOptional(),
  datacontenttype: z.literal('application/json').exactOptional(),
  dataschema: name.exactOptional(),
  sequence: z
    .union([z.int().min(0), z.string().regex(/^[0-9]{1,32}$/)])
    .exactOptional()
    .meta({ description: 'The emitter’s own numbering: contiguous within a source, so that a hole shows.' }),
  traceparent: z.string().min(1).max(textMax).exactOptional(),
  tracestate: z.string().max(textMax).exactOptional(),
  emitterkeyid: name.exactOptional(),
  emittersig: z.string().max(textMax).exactOptional().meta({
    description:
      'base64 Ed25519 over the DSSE encoding of (application/cloudevents+json, RFC 8785 bytes of the event without this attribute).',
  }),
}

const eventOf = <Type extends string, Data extends z.ZodType>(type: Type, data: Data) =>
  z.strictObject({ ...attributes, type: z.literal(type), data })

/** The attributes alone, for an event of a type that nobody knows. */
export const attributesSchema = z.object(attributes)

/** What gateways send. */
export const emitterEventSchemas = {
  'aep.decision': eventOf('aep.decision', emitterData['aep.decision']),
  'aep.lease.granted': eventOf('aep.lease.granted', emitterData['aep.lease.granted']),
  'aep.lease.used': eventOf('aep.lease.used', emitterData['aep.lease.used']),
  'aep.lease.revoked': eventOf('aep.lease.revoked', emitterData['aep.lease.revoked']),
  'aep.receipt': eventOf('aep.receipt', emitterData['aep.receipt']),
  'aep.consent': eventOf('aep.consent', emitterData['aep.consent']),
  'aep.taint': eventOf('aep.taint', emitterData['aep.taint']),
  'aep.vetting': eventOf('aep.vetting', emitterData['aep.vetting']),
  'aep.result': eventOf('aep.result', emitterData['aep.result']),
  'aep.record': eventOf('aep.record', emitterData['aep.record']),
  'aep.session.opened': eventOf('aep.session.opened', emitterData['aep.session.opened']),
  'aep.session.closed': eventOf('aep.session.closed', emitterData['aep.session.closed']),
  'aep.gap': eventOf('aep.gap', emitterData['aep.gap']),
} as const

/** What a ledger writes about itself, and refuses from anybody else. */
export const ledgerEventSchemas = {
  'aep.ledger.created': eventOf('aep.ledger.created', ledgerData['aep.ledger.created']),
  'aep.ledger.key.added': eventOf('aep.ledger.key.added', ledgerData['aep.ledger.key.added']),
  'aep.ledger.key.rotated': eventOf('aep.ledger.key.rotated', ledgerData['aep.ledger.key.rotated']),
  'aep.ledger.key.revoked': eventOf('aep.ledger.key.revoked', ledgerData['aep.ledger.key.revoked']),
  'aep.ledger.emitter.registered': eventOf(
    'aep.ledger.emitter.registered',
    ledgerData['aep.ledger.emitter.registered'],
  ),
  'aep.ledger.emitter.revoked': eventOf('aep.ledger.emitter.revoked', ledgerData['aep.ledger.emitter.revoked']),
  'aep.ledger.conflict': eventOf('aep.ledger.conflict', ledgerData['aep.ledger.conflict']),
  'aep.ledger.read': eventOf('aep.ledger.read', ledgerData['aep.ledger.read']),
} as const

export const eventSchemas = { ...emitterEventSchemas, ...ledgerEventSchemas } as const

export type EmitterEventType = keyof typeof emitterEventSchemas
export type LedgerEventType = keyof typeof ledgerEventSchemas
export type EventType = keyof typeof eventSchemas

/** The closed set of types, emitters' first. */
export const eventTypes = Object.keys(eventSchemas) as readonly EventType[]
export const emitterEventTypes = Object.keys(emitterEventSchemas) as readonly EmitterEventType[]
export const ledgerEventTypes = Object.keys(ledgerEventSchemas) as readonly LedgerEventType[]

export const isEventType = (type: unknown): type is EventType =>
  typeof type === 'string' && Object.hasOwn(eventSchemas, type)
export const isLedgerEventType = (type: unknown): type is LedgerEventType =>
  typeof type === 'string' && Object.hasOwn(ledgerEventSchemas, type)

/** An event of one type. */
export type EventOf<Type extends EventType> = z.infer<(typeof eventSchemas)[Type]>
export type EmitterEvent = { [Type in EmitterEventType]: EventOf<Type> }[EmitterEventType]
export type LedgerEvent = { [Type in LedgerEventType]: EventOf<Type> }[LedgerEventType]
export type AepEvent = EmitterEvent | LedgerEvent
