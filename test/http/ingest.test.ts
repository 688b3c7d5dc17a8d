import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { readEntry } from '../../src/ledger/decode.ts'
import { anEvent, ask, eventsUrl, lines } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
})
after(() => world.close())

let nextId = 100
const fresh = (over: Readonly<Record<string, unknown>> = {}) => anEvent({ id: String(nextId++), ...over })
const send = (body: unknown, type = 'application/json', headers: Readonly<Record<string, string>> = {}) =>
  ask(world.app, { method: 'POST', url: eventsUrl, body, headers: { 'content-type': type, ...headers } })
const headSeq = async () => (await world.log.head('default'))?.seq ?? -1

describe('events', () => {
  it('are taken one by one, as a batch and as lines, each answered with its receipt in the order sent', async () => {
    const forms: [string, (events: unknown[]) => unknown][] = [
      ['application/cloudevents+json', ([event]) => event],
      ['application/json', ([event]) => event],
      ['application/json', events => events],
      ['application/json; charset=utf-8', events => events],
      ['application/cloudevents-batch+json', events => events],
      ['application/x-ndjson', events => lines(events)],
      ['application/x-ndjson', events => lines(events).trimEnd()],
      ['application/x-ndjson', events => `${lines(events).replaceAll('\n', '\r\n')}\r\n \n`],
    ]
    for (const [type, bodyOf] of forms) {
      const events = [fresh(), fresh({ source: 'urn:other' }), fresh()]
      const body = bodyOf(events)
      const sent = body === events[0] ? events.slice(0, 1) : events
      const first = (await headSeq()) + 1
      const { status, json } = await send(body, type)
      assert.equal(status, 201)
      assert.deepEqual(
        json.items.map(({ id, source, seq, status }: never) => ({ id, source, seq, status })),
        sent.map(({ id, source }, n) => ({ id, source, seq: first + n, status: 'created' })),
      )
    }
  })

  it('come back in entries exactly as they were sent, with nothing filled in, coerced or dropped', async () => {
    const event = fresh({
      data: { decision: 'allow', args: { n: 1.5, t: 'ä\u0000', list: [null, true, {}], '2': '', '10': [] } },
      sequence: '0007',
    })
    const { json } = await send(event)
    const [stored] = await world.log.read('default', json.items[0].seq, 1)
    assert.ok(stored !== undefined)
    assert.deepEqual(readEntry(stored.bytes).event, event)
    assert.deepEqual(readEntry(stored.bytes).intake, { by: 'admin', emitter_sig: 'absent', record_sig: 'not_a_record' })
  })

  it('sent again are duplicates with their first receipt, however they are written', async () => {
    const event = fresh()
    const first = await send(event)
    const rewritten = JSON.stringify(Object.fromEntries(Object.entries(event).reverse()), null, 3).replace(
      'urn',
      '\\u0075rn',
    )
    const again = await send(rewritten)
    assert.equal(again.status, 201)
    assert.deepEqual(again.json.items, [{ ...first.json.items[0], status: 'duplicate' }])
    const lined = await send(lines([event, fresh()]), 'application/x-ndjson')
    assert.deepEqual(
      lined.json.items.map((item: never) => item['status']),
      ['duplicate', 'created'],
    )
  })

  it('with an id that has other content are a 409 alone, and an item that says so among others', async () => {
    const event = fresh()
    const first = await send(event)
    const other = { ...event, data: { decision: 'deny' } }
    const before = await headSeq()
    const alone = await send(other)
    assert.equal(alone.json.code, 'event-conflict')
    assert.equal(alone.json.errors[0].pointer, '/id')
    assert.match(alone.json.errors[0].detail, new RegExp(`seq ${first.json.items[0].seq} `))
    assert.equal(await headSeq(), before)
    const { status, json } = await send([fresh(), other])
    assert.equal(status, 201)
    const { seq, leaf_hash } = first.json.items[0]
    assert.deepEqual(json.items[1], { id: event.id, source: event.source, status: 'conflict', seq, leaf_hash })
    assert.equal(await headSeq(), before + 1)
  })

  it('said twice in one request are placed once: the same is a duplicate, another a conflict', async () => {
    const event = fresh()
    const { json } = await send([event, event, { ...event, data: { decision: 'deny' } }])
    assert.deepEqual(
      json.items.map((item: never) => item['status']),
      ['created', 'duplicate', 'conflict'],
    )
    assert.equal(new Set(json.items.map((item: never) => item['seq'])).size, 1)
  })

  it('may be answered with 202, and the answer says that it was asked for', async () => {
    for (const prefer of ['respond-async', 'wait=5, Respond-Async', 'respond-async; x=1']) {
      const { status, headers } = await send(fresh(), 'application/json', { prefer })
      assert.equal(status, 202)
      assert.equal(headers['preference-applied'], 'respond-async')
    }
    const { status, headers } = await send(fresh(), 'application/json', { prefer: 'return=minimal' })
    assert.equal(status, 201)
    assert.equal(headers['preference-applied'], undefined)
  })

  it('go to the ledger that the path names, its slash percent-encoded', async () => {
    await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name: 'acme/prod' } })
    const { json } = await ask(world.app, { method: 'POST', url: '/v1/ledgers/acme%2Fprod/events', body: fresh() })
    assert.equal(json.items[0].seq, 1)
    assert.equal((await world.log.head('acme/prod'))?.seq, 1)
  })

  it('are counted by what became of them', async () => {
    const before = (await ask(world.app, { url: '/metrics' })).text
    await send(fresh())
    const after = (await ask(world.app, { url: '/metrics' })).text
    const created = (text: string) => Number(/ingest_events_total\{status="created"\} (\d+)/.exec(text)?.[1])
    assert.equal(created(after), created(before) + 1)
    assert.match(after, /http_request_duration_seconds_count\{operation="emitEvents",status="201"\} \d+/)
  })

  it('leave no trace of what they say in the log of the service', async () => {
    const marked = fresh({ data: { decision: 'deny', args: { password: 'hunter2-marker' }, run_id: 'hunter2-marker' } })
    await send(marked)
    await send({ ...marked, data: { decision: 'hunter2-marker' } })
    await send('{"hunter2-marker":', 'application/json')
    assert.ok(world.logged.length > 0)
    assert.ok(!world.logged.join('').includes('hunter2-marker'))
    assert.ok(!world.logged.join('').includes('the-admin-token'))
  })
})
