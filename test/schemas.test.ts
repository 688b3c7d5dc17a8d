import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { generatedSchemas } from '../infra/generate-schemas.ts'
import { eventTypes } from '../src/aep/event/schema.ts'
import { isObject, type Json, type JsonObject } from '../src/aep/json.ts'
import { readEntry } from '../src/ledger/decode.ts'
import { encodeEntry, type Seq, zeroHash } from '../src/ledger/entry.ts'
import { attributes, fullData, smallestDecision } from './vectors/events.ts'

const root = new URL('../', import.meta.url)
const generated = generatedSchemas()
const schemas = new Map(
  [...generated].map(([path, text]) => [path.slice('schemas/'.length), JSON.parse(text) as JsonObject]),
)

describe('the JSON Schemas', () => {
  for (const [path, text] of generated) {
    it(`${path} stands as npm run generate writes it`, () => {
      assert.equal(readFileSync(new URL(path, root), 'utf8'), text)
    })
  }

  it('are all that is kept under that ending', () => {
    const kept = readdirSync(new URL('schemas/', root)).filter(name => name.endsWith('.schema.json'))
    assert.deepEqual(kept.sort(), [...schemas.keys()].sort())
  })

  it('refer to each other by names that there are', () => {
    for (const [file, schema] of schemas) {
      assert.equal(schema['$id'], file)
      for (const reference of referencesIn(schema)) assert.ok(schemas.has(reference), `${file} refers to ${reference}`)
    }
    assert.equal(referencesIn(schemas.get('event.schema.json') ?? {}).length, eventTypes.length)
  })

  it('take every event that has all it may have, and nothing beside', () => {
    for (const type of eventTypes) {
      const schema = schemas.get(`${type}.schema.json`) ?? {}
      for (const data of fullData[type]) {
        const event = { ...attributes, type, data } as unknown as JsonObject
        assert.equal(fits(event, schema), true, type)
        assert.equal(fits({ ...event, stranger: 1 }, schema), false, type)
        assert.equal(fits({ ...event, data: { ...(data as JsonObject), stranger: 1 } }, schema), false, type)
        assert.equal(fits({ ...event, id: '' }, schema), false, type)
      }
    }
  })

  it('take an event as one of its type and of no other', () => {
    const schema = schemas.get('event.schema.json') ?? {}
    assert.equal(fits(smallestDecision, schema), true)
    assert.equal(fits({ ...smallestDecision, type: 'aep.gap' }, schema), false)
    assert.equal(fits({ ...smallestDecision, type: 'x' }, schema), false)
  })

  it('take an entry', () => {
    const schema = schemas.get('entry.schema.json') ?? {}
    const intake = { by: 'gateway', emitter_sig: 'absent', record_sig: 'not_a_record' } as const
    const frame = {
      ledger: 'acme/prod',
      seq: 1 as Seq,
      prev: zeroHash,
      recorded_at: '2026-01-01T00:00:00.000Z',
      key_id: '0'.repeat(32),
      intake,
    }
    const entry = readEntry(encodeEntry(frame, JSON.stringify(smallestDecision))) as unknown as JsonObject
    assert.equal(fits(entry, schema), true)
    for (const wrong of [
      { seq: -1 },
      { seq: 0.5 },
      { ledger: '../x' },
      { v: 'aep-ledger/v2' },
      { stranger: 1 },
      { event: {} },
    ]) {
      assert.equal(fits({ ...entry, ...wrong } as JsonObject, schema), false, JSON.stringify(wrong))
    }
    const { prev: _, ...less } = entry
    assert.equal(fits(less, schema), false)
  })

  it('take a record of every version, with what it may leave out', () => {
    const schema = schemas.get('aep-record.schema.json') ?? {}
    for (const version of ['aep/v0.1', 'aep/v0.2', 'aep/v0.3', 'aep/v0.4']) {
      assert.equal(fits({ schema_version: version, run_id: 'r', created_at_ms: 1 }, schema), true)
    }
    assert.equal(fits({ schema_version: 'aep/v0.5', run_id: 'r', created_at_ms: 1 }, schema), false)
    assert.equal(fits({ schema_version: 'aep/v0.1', run_id: 'r' }, schema), false)
  })
})

function referencesIn(value: Json | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(item => referencesIn(item as Json))
  if (!isObject(value)) return []
  const own = typeof value['$ref'] === 'string' ? [value['$ref']] : []
  return [...own, ...Object.values(value).flatMap(referencesIn)]
}

type Keyword = (value: Json, given: Json, schema: JsonObject) => boolean

const among = (value: Json, given: Json) => Array.isArray(given) && given.includes(value)
const count = (value: Json, given: Json) =>
  Array.isArray(given) ? given.filter(schema => fits(value, schema as JsonObject)).length : 0
const ofType: Record<string, (value: Json) => boolean> = {
  string: value => typeof value === 'string',
  boolean: value => typeof value === 'boolean',
  number: value => typeof value === 'number',
  integer: value => Number.isInteger(value),
  object: isObject,
  array: Array.isArray,
  null: value => value === null,
}

/** The keywords of JSON Schema 2020-12 that the schemas are made of; a keyword that is not here makes the test fail. */
const keywords: Record<string, Keyword> = {
  type: (value, given) => [given].flat().some(type => ofType[String(type)]?.(value) === true),
  const: (value, given) => value === given,
  enum: among,
  pattern: (value, given) => typeof value !== 'string' || new RegExp(String(given), 'u').test(value),
  minLength: (value, given) => typeof value !== 'string' || value.length >= Number(given),
  maxLength: (value, given) => typeof value !== 'string' || value.length <= Number(given),
  minimum: (value, given) => typeof value !== 'number' || value >= Number(given),
  maximum: (value, given) => typeof value !== 'number' || value <= Number(given),
  multipleOf: (value, given) => typeof value !== 'number' || value % Number(given) === 0,
  items: (value, given) => !Array.isArray(value) || value.every(item => fits(item as Json, given as JsonObject)),
  required: (value, given) => !isObject(value) || [given].flat().every(name => Object.hasOwn(value, String(name))),
  properties: (value, given) =>
    !isObject(value) ||
    Object.entries(given as JsonObject).every(([name, member]) => fits(value[name], member as JsonObject)),
  additionalProperties: (value, given, { properties = {} }) =>
    !isObject(value) ||
    Object.entries(value).every(
      ([name, member]) =>
        Object.hasOwn(properties as JsonObject, name) || (given !== false && fits(member, given as JsonObject)),
    ),
  propertyNames: (value, given) =>
    !isObject(value) || Object.keys(value).every(name => fits(name, given as JsonObject)),
  oneOf: (value, given) => count(value, given) === 1,
  anyOf: (value, given) => count(value, given) > 0,
  $ref: (value, given) => fits(value, schemas.get(String(given)) ?? { enum: [] }),
}
const remarks = ['$schema', '$id', 'title', 'description', 'default', 'format', 'examples']

/** Whether `value` fits a schema; what is absent fits any. */
function fits(value: Json | undefined, schema: JsonObject): boolean {
  if (value === undefined) return true
  return Object.entries(schema).every(([keyword, given]) => {
    if (remarks.includes(keyword)) return true
    const check = keywords[keyword]
    if (check === undefined) throw new Error(`the schemas use ${keyword}, which this test does not know`)
    return check(value, given, schema)
  })
}
