import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { quick } from '../../../src/aep/event/quick.ts'
import { eventSchemas, eventTypes } from '../../../src/aep/event/schema.ts'
import { isObject, type Json } from '../../../src/aep/json.ts'
import { attributes, fullData } from '../../vectors/events.ts'

const shapes = eventTypes.flatMap(type =>
  fullData[type].map(data => ({ type, event: { ...attributes, type, data } as Json })),
)
const checks = new Map(eventTypes.map(type => [type, quick(eventSchemas[type])]))

/** Values that come near to what some member takes. */
const near = fc.oneof(
  fc.constantFrom<Json>(
    '',
    'x',
    'x'.repeat(1025),
    'a'.repeat(16),
    'A'.repeat(16),
    'allow',
    '1.0',
    'ed25519',
    '2026-01-01T00:00:00Z',
  ),
  fc.constantFrom<Json>(0, -1, 1.5, 2 ** 53, true, false, null, [], {}, ['x'], [''], { verdict: 'x' }),
  fc.json({ maxDepth: 1 }).map(text => JSON.parse(text) as Json),
)

describe('the quick check of a schema', () => {
  it('says yes to every event that has all it may have', () => {
    for (const { type, event } of shapes) assert.equal(checks.get(type)?.(event), true, type)
  })

  it('says what zod says, whatever one member is changed to, taken away or added', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...shapes),
        fc.nat(),
        near,
        fc.constantFrom('set', 'drop', 'add'),
        ({ type, event }, at, to, how) => {
          const spots = placesIn(event)
          const changed = edit(event, spots[at % spots.length] ?? [], to, how)
          assert.equal(
            checks.get(type)?.(changed),
            eventSchemas[type].safeParse(changed).success,
            JSON.stringify(changed),
          )
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is refused to schemas of a kind that it does not know', () => {
    const unknown = [
      z.object({ a: z.string() }),
      z.strictObject({ a: z.string() }).refine(() => false),
      z.string().trim(),
      z.string().regex(/x/g),
      z.number().max(5),
      z.int32(),
      z.array(z.string()).max(1),
      z.date(),
      z.string().optional(),
      z.record(z.string(), z.string()),
    ]
    for (const schema of unknown) assert.throws(() => quick(schema), /no quick check/)
  })
})

type Path = readonly (string | number)[]

function placesIn(value: Json | undefined, path: Path = []): Path[] {
  const below = Array.isArray(value)
    ? value.flatMap((item, n) => placesIn(item, [...path, n]))
    : isObject(value)
      ? Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, name]))
      : []
  return [path, ...below]
}

function edit(value: Json | undefined, [step, ...rest]: Path, to: Json, how: string): Json {
  if (step === undefined) return how === 'add' && isObject(value) ? { ...value, stranger: to } : to
  if (Array.isArray(value)) return value.map((item: Json, n) => (n === step ? edit(item, rest, to, how) : item))
  const { [step]: member, ...others } = isObject(value) ? value : {}
  if (how === 'drop' && rest.length === 0) return others
  return { ...others, [step]: edit(member, rest, to, how) }
}
