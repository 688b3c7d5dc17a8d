import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import {
  attributesSchema,
  type EventType,
  eventSchemas,
  eventTypes,
  isLedgerEventType,
} from '../src/aep/event/schema.ts'
import { aepRecordSchema } from '../src/aep/record/schema.ts'
import { entryPatterns } from '../src/ledger/decode.ts'
import { emitterSigVerdicts, entryBytesMax, entryVersion, recordSigVerdicts } from '../src/ledger/entry.ts'

/**
 * Writes `schemas/*.schema.json`, JSON Schema 2020-12, from the zod schemas that judge: one of every event type, one of any
 * event, of an entry, and of an AEPRecord. A test makes them again and compares.
 */

const root = fileURLToPath(new URL('..', import.meta.url))

/** Every schema file as it has to be, by its path in the repository. */
export function generatedSchemas(): ReadonlyMap<string, string> {
  const schemas: [string, object][] = [
    ...eventTypes.map((type): [string, object] => [fileOf(type), titled(eventOf(type), type, saysWho(type))]),
    ['event.schema.json', anyEvent()],
    ['entry.schema.json', entrySchema()],
    ['aep-record.schema.json', recordSchema()],
  ]
  return new Map(
    schemas.map(([file, schema]) => [
      `schemas/${file}`,
      `${JSON.stringify({ $schema: dialect, $id: file, ...schema }, null, 2)}\n`,
    ]),
  )
}

const dialect = 'https://json-schema.org/draft/2020-12/schema'
const fileOf = (type: EventType): string => `${type}.schema.json`

const titled = (schema: object, title: string, description: string) => ({ title, description, ...schema })

const saysWho = (type: EventType): string =>
  isLedgerEventType(type)
    ? 'An event that only the ledger itself writes.'
    : 'An event that an emitter sends: CloudEvents 1.0 in JSON.'

/** Without the dialect, which stands once, at the top of the file. */
function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' })
  return rest
}

const eventOf = (type: EventType): object => jsonSchema(eventSchemas[type])

function anyEvent(): object {
  const { properties } = jsonSchema(attributesSchema) as { properties: object }
  return {
    title: 'Event',
    description: 'An event of any type: the attributes that all have, and then what its type asks for.',
    type: 'object',
    properties: { ...properties, type: { enum: eventTypes }, data: { type: 'object' } },
    required: ['specversion', 'id', 'source', 'type', 'data'],
    oneOf: eventTypes.map(type => ({ $ref: fileOf(type) })),
  }
}

function entrySchema(): object {
  const text = (pattern: RegExp, description: string) => ({ type: 'string', pattern: pattern.source, description })
  const object = (properties: object, more: object = {}) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
    ...more,
  })
  const intake = {
    by: text(entryPatterns.by, 'Id of the token that sent it; `ledger` for the ledger’s own.'),
    emitter_sig: { enum: emitterSigVerdicts },
    record_sig: { enum: recordSigVerdicts },
  }
  const description = `An event with its place in a ledger. Its RFC 8785 form, at most ${entryBytesMax} bytes, is what is hashed and signed.`
  const members = {
    v: { const: entryVersion },
    ledger: text(entryPatterns.ledger, 'Name of the ledger.'),
    seq: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Place in the ledger.' },
    prev: text(entryPatterns.prev, 'RFC 6962 leaf hash of the entry before; 64 zeros at seq 0.'),
    recorded_at: text(entryPatterns.recorded_at, 'When the ledger took it in; never earlier than the entry before.'),
    key_id: text(entryPatterns.key_id, 'The key that signs it: the first 32 hex digits of the SHA-256 of the key.'),
    intake: object(intake, { description: 'What the ledger itself established, once.' }),
    event: { $ref: 'event.schema.json' },
  }
  return object(members, { title: 'Entry', description })
}

const recordSchema = (): object =>
  titled(
    jsonSchema(aepRecordSchema),
    'AEPRecord',
    'An AEP record, aep/v0.1 to aep/v0.4, bare or with its DSSE envelope: one shape for all versions, as the reference has it. Members it does not know are left alone here and named in a verdict.',
  )

if (import.meta.main) {
  mkdirSync(`${root}schemas`, { recursive: true })
  for (const [path, text] of generatedSchemas()) writeFileSync(root + path, text)
}
