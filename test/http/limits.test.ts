import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, it } from 'node:test'
import { Admission } from '../../src/http/admission.ts'
import { negotiate } from '../../src/http/negotiate.ts'
import { RateLimiter } from '../../src/http/rate.ts'
import type { EventIntake, Placement } from '../../src/log/intake.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { addressOf } from './support/follow.ts'
import { adminToken, makeWorld, type World } from './support/world.ts'

const post = { method: 'POST', url: eventsUrl } as const

describe('the rate of a token', () => {
  it('lets a burst through and then as much as flows in', () => {
    let nowMs = 0
    const rate = new RateLimiter(10, 5, () => nowMs)
    const waits = Array.from({ length: 7 }, () => rate.enter('a'))
    assert.deepEqual(waits, [0, 0, 0, 0, 0, 1, 1])
    nowMs = 100
    assert.deepEqual([rate.enter('a'), rate.enter('a')], [0, 1])
    nowMs = 10_000
    assert.deepEqual(
      Array.from({ length: 6 }, () => rate.enter('a')),
      [0, 0, 0, 0, 0, 1],
    )
  })

  it('makes what was taken on credit be paid for', () => {
    let nowMs = 0
    const rate = new RateLimiter(10, 5, () => nowMs)
    assert.equal(rate.enter('a'), 0)
    rate.charge('a', 99)
    assert.equal(rate.enter('a'), 10)
    nowMs = 9_000
    assert.equal(rate.enter('a'), 1)
    nowMs = 9_700
    assert.equal(rate.enter('a'), 0)
  })

  it('is each token’s own, and forgotten when it is full again', () => {
    let nowMs = 0
    const rate = new RateLimiter(10, 1, () => nowMs)
    assert.deepEqual([rate.enter('a'), rate.enter('a'), rate.enter('b')], [0, 1, 0])
    rate.sweep()
    assert.equal(rate.size, 2)
    nowMs = 200
    rate.sweep()
    assert.equal(rate.size, 0)
    assert.equal(rate.enter('a'), 0)
  })

  it('is answered over HTTP with 429 and the seconds to wait, events counted one by one', async () => {
    const world = await makeWorld({ ratePerSecond: 2, rateBurst: 5 })
    const token = await world.token({ role: 'emit' })
    const events = Array.from({ length: 9 }, (_, n) => anEvent({ id: `r${n}` }))
    assert.equal((await ask(world.app, { ...post, token, body: events })).status, 201)
    const { json, headers } = await ask(world.app, { ...post, token, body: anEvent({ id: 'r9' }) })
    assert.equal(json.code, 'rate-limited')
    assert.ok([2, 3].includes(Number(headers['retry-after'])), String(headers['retry-after']))
    const other = await world.token({ role: 'emit' })
    assert.equal((await ask(world.app, { ...post, token: other, body: anEvent({ id: 'r9' }) })).status, 201)
    await world.close()
  })
})

describe('admission', () => {
  it('counts requests and bytes, and lets a lone large one in', () => {
    const admission = new Admission(2, 100)
    assert.ok(admission.enter(1000))
    assert.ok(!admission.enter(1))
    admission.leave(1000)
    assert.ok(admission.enter(60))
    assert.ok(!admission.enter(60))
    assert.ok(admission.enter(40))
    assert.ok(!admission.enter(0))
    assert.deepEqual([admission.requests, admission.bytes], [2, 100])
  })

  /** An intake that answers when it is told to. */
  function slowIntake() {
    const waiting: (() => void)[] = []
    const intake: EventIntake = {
      submit: (_, events) =>
        new Promise(resolve => {
          const placed = { status: 'conflict', seq: 0, leafHash: '0'.repeat(64) } as unknown as Placement
          waiting.push(() => resolve(events.map(() => placed)))
        }),
    }
    return { intake, waiting }
  }

  it('refuses ingest beyond its bound with 503, and takes it again when there is room', async () => {
    const { intake, waiting } = slowIntake()
    const world = await makeWorld({ concurrencyMax: 2 }, { intake })
    const held = [0, 1].map(n => ask(world.app, { ...post, body: [anEvent({ id: `a${n}` })] }))
    while (waiting.length < 2) await new Promise(setImmediate)
    const refused = await ask(world.app, { ...post, body: anEvent() })
    assert.equal(refused.json.code, 'overloaded')
    assert.equal(refused.headers['retry-after'], '1')
    assert.equal((await ask(world.app, { url: '/v1/ledgers/default/entries' })).status, 200, 'reads go on')
    for (const answer of waiting.splice(0)) answer()
    for (const told of await Promise.all(held)) assert.equal(told.status, 201)
    const next = ask(world.app, { ...post, body: [anEvent()] })
    while (waiting.length < 1) await new Promise(setImmediate)
    waiting[0]?.()
    assert.equal((await next).status, 201)
    await world.close()
  })

  it('is not held for ever by a log that gives no answer, and the same request sent again finds out', async () => {
    const hanging = Promise.withResolvers<void>()
    let placed = 0
    // What no log here does by itself: it takes the events, and does not come back.
    const intake: EventIntake = {
      submit: async (ledger, events) => {
        await hanging.promise
        const placements = await world.sequencer.submit(ledger, events)
        placed += 1
        return placements
      },
    }
    const world: World = await makeWorld({ ingestWaitMs: 100, concurrencyMax: 1 }, { intake })
    const events = [anEvent({ id: 'late-1' }), anEvent({ id: 'late-2' })]
    const { status, json, headers } = await ask(world.app, { ...post, body: events })
    assert.deepEqual([status, json.code], [503, 'log-unavailable'])
    assert.match(
      json.detail,
      /within 0\.1 s\. The events may or may not have their places: send the same request again/,
    )
    assert.ok(Number(headers['retry-after']) > 0)
    hanging.resolve()
    while (placed < 1) await new Promise(setImmediate)
    const again = await ask(world.app, { ...post, body: events })
    assert.deepEqual(
      again.json.items.map((item: { status: string }) => item.status),
      ['duplicate', 'duplicate'],
    )
    await world.close()
  })

  it('gives the place of a client that went away to another', async () => {
    const world = await makeWorld({ concurrencyMax: 1 })
    const headers = {
      authorization: `Bearer ${adminToken}`,
      'content-type': 'application/json',
      'content-length': '1000',
    }
    const options = { ...(await addressOf(world.app)), path: eventsUrl, method: 'POST', headers, agent: false }
    const outgoing = request(options)
    outgoing.on('error', () => {})
    outgoing.write('{"half":')
    const underWay = async (count: number) => {
      const gauge = new RegExp(`^aep_ledger_ingest_in_flight_requests ${count}$`, 'm')
      while (!gauge.test((await ask(world.app, { url: '/metrics' })).text)) await new Promise(setImmediate)
    }
    await underWay(1)
    assert.equal((await ask(world.app, { ...post, body: anEvent() })).json.code, 'overloaded')
    outgoing.destroy()
    await underWay(0)
    assert.equal((await ask(world.app, { ...post, body: anEvent() })).status, 201)
    await underWay(0)
    await world.close()
  })
})

describe('what a client accepts', () => {
  const offered = ['application/json', 'application/x-ndjson', 'text/event-stream']
  it('decides which of the forms it gets', () => {
    for (const [accept, wanted] of [
      [undefined, 'application/json'],
      ['*/*', 'application/json'],
      ['text/*', 'text/event-stream'],
      ['application/x-ndjson', 'application/x-ndjson'],
      ['application/*', 'application/json'],
      ['application/json;q=0.5, application/x-ndjson', 'application/x-ndjson'],
      ['application/json;q=0, */*', 'application/x-ndjson'],
      ['Application/JSON; charset=utf-8', 'application/json'],
      ['text/event-stream; q=0.1, text/html', 'text/event-stream'],
      ['text/html', undefined],
      ['', undefined],
      ['application/json;q=0', undefined],
      ['application/json;q=2', undefined],
    ] as const) {
      assert.equal(negotiate(accept, offered), wanted, accept)
    }
  })
})
