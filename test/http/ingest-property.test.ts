import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { readEntry } from '../../src/ledger/decode.ts'
import { anEvent, ask, eventsUrl, lines } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld({ ratePerSecond: 1e6, rateBurst: 1e6 })
})
after(() => world.close())

const types = fc.constantFrom(
  'application/json',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/x-ndjson',
)

/** Mostly as it should be, and now and then anything. */
const mostly = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: fc.jsonValue() })

/** An event that is nearly right: the members are known, what stands in them is mostly right. */
const nearlyEvent = fc.record(
  {
    specversion: mostly(fc.constant('1.0')),
    id: mostly(fc.string({ minLength: 1 })),
    source: mostly(fc.string({ minLength: 1 })),
    type: mostly(fc.constantFrom('aep.decision', 'aep.record', 'aep.lease.granted')),
    time: mostly(fc.constant('2026-01-01T00:00:00Z')),
    data: mostly(
      fc.oneof(
        fc.record({ decision: fc.constantFrom('allow', 'deny', 'maybe'), args: fc.jsonValue() }, { requiredKeys: [] }),
        fc.record({ record: fc.oneof(fc.json(), fc.string()) }),
      ),
    ),
    emittersig: fc.base64String(),
    emitterkeyid: fc.string(),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'data'] },
)

/** `ask` itself holds each answer to the contract; what is left to say is that it is no failure of the service. */
async function isAnswered(body: unknown, type: string): Promise<number> {
  const told = await ask(world.app, { method: 'POST', url: eventsUrl, body, headers: { 'content-type': type } })
  assert.ok(told.status < 500, told.text)
  return told.status
}

describe('the ingest route', () => {
  it('answers any JSON with 2xx or a documented 4xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 6 }), types, async (text, type) => {
        await isAnswered(text, type)
      }),
      { numRuns: 300 },
    )
  })

  it('answers any bytes with a documented 4xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), types, async (bytes, type) => {
        assert.ok((await isAnswered(bytes, type)) >= 400)
      }),
      { numRuns: 300 },
    )
  })

  it('answers what is nearly an event, alone and among others, and keeps what it takes as it came', async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(fc.array(nearlyEvent, { minLength: 1, maxLength: 4 }), types, async (events, type) => {
        const body = type === 'application/x-ndjson' ? lines(events) : type.includes('batch') ? events : events[0]
        const head = (await world.log.head('default'))?.seq ?? -1
        if ((await isAnswered(body, type)) !== 201) return
        taken += 1
        const sent = (body === events[0] ? [events[0]] : events).map(event => JSON.parse(JSON.stringify(event)))
        for (const { bytes } of await world.log.read('default', head + 1, 4)) {
          const { event } = readEntry(bytes)
          assert.ok(
            sent.some(one => isDeepStrictEqual(one, event)),
            JSON.stringify({ sent, event }),
          )
        }
      }),
      { numRuns: 400 },
    )
    assert.ok(taken >= 5, `some are taken: ${taken}`)
  })

  it('keeps any redacted arguments exactly', async () => {
    let n = 0
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async args => {
        const event = anEvent({ id: `args${n++}`, data: { decision: 'allow', args } })
        const told = await ask(world.app, { method: 'POST', url: eventsUrl, body: event })
        // Lone surrogates are no I-JSON; everything else JSON.stringify writes is.
        const isWellFormed = !JSON.stringify(event).includes('\\ud')
        if (told.status !== 201) return assert.ok(!isWellFormed || /__proto__|1,024|nest/.test(told.text), told.text)
        const [stored] = await world.log.read('default', told.json.items[0].seq, 1)
        assert.ok(stored !== undefined)
        assert.deepEqual(readEntry(stored.bytes).event, JSON.parse(JSON.stringify(event)))
      }),
      { numRuns: 200 },
    )
  })
})
