import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parseJson } from '../../src/aep/json.ts'
import { hex } from '../../src/base/bytes.ts'
import { envelope } from '../../src/contract/entries.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf } from '../../src/ledger/entry.ts'
import { parseEntryEnvelope, signingInput } from '../../src/ledger/signature.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { follow } from './support/follow.ts'
import { makeWorld, type World } from './support/world.ts'

const url = '/v1/ledgers/default/entries'
let world: World
before(async () => {
  world = await makeWorld({ streamsMax: 2 })
  await emit(0, 9)
})
after(() => world.close())

async function emit(from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => anEvent({ id: `e${from + n}` }))
  assert.equal((await ask(world.app, { method: 'POST', url: eventsUrl, body: events })).status, 201)
}
const seqsOf = (items: { seq: number }[]) => items.map(({ seq }) => seq)

describe('a page of entries', () => {
  it('is the log in order, from where it was asked, and says where it goes on', async () => {
    const first = await ask(world.app, { url: `${url}?limit=4` })
    assert.deepEqual(seqsOf(first.json.items), [0, 1, 2, 3])
    assert.equal(first.json.next, 4)
    assert.equal(first.json.as_of, 9)
    assert.equal(first.json.complete, true)
    assert.equal(first.headers['link'], `<${url}?limit=4&from=4>; rel="next"`)
    const second = await ask(world.app, { url: `${url}?limit=4&from=4` })
    const third = await ask(world.app, { url: /<(.+)>/.exec(String(second.headers['link']))?.[1] ?? '' })
    assert.deepEqual(seqsOf(third.json.items), [8, 9])
    assert.equal(third.json.next, null)
    assert.equal(third.headers['link'], undefined)
  })

  it('ends where it was asked to', async () => {
    const { json } = await ask(world.app, { url: `${url}?from=2&to=5` })
    assert.deepEqual(seqsOf(json.items), [2, 3, 4])
    assert.equal(json.next, null)
    assert.deepEqual((await ask(world.app, { url: `${url}?from=7&to=3` })).json.items, [])
    assert.deepEqual((await ask(world.app, { url: `${url}?from=99999` })).json.items, [])
  })

  it('holds for each entry what it takes to check it', async () => {
    const { json } = await ask(world.app, { url: `${url}?from=3&limit=1` })
    const [stored] = await world.log.read('default', 3, 1)
    assert.ok(stored !== undefined)
    const [item] = json.items
    assert.equal(item.leaf_hash, leafHashOf(nodeSuite, stored.bytes))
    assert.equal(item.signature, Buffer.from(stored.signature).toString('base64'))
    assert.deepEqual(item.entry, JSON.parse(Buffer.from(stored.bytes).toString()))
    assert.deepEqual((await ask(world.app, { url: `${url}/3` })).json, item)
  })

  it('is refused with bounds that are none', async () => {
    for (const query of ['limit=0', 'limit=1001', 'from=-1', 'from=x', 'to=1.5', 'form=1']) {
      assert.equal((await ask(world.app, { url: `${url}?${query}` })).json.code, 'invalid-request', query)
    }
    assert.equal((await ask(world.app, { url: `${url}/10` })).json.code, 'not-found')
    assert.equal((await ask(world.app, { url: `${url}/x` })).json.code, 'invalid-request')
    assert.equal((await ask(world.app, { url: `${url}/1/record` })).json.code, 'not-found')
    assert.equal((await ask(world.app, { url: '/v1/ledgers/nowhere/entries' })).json.code, 'ledger-unknown')
  })

  it('comes in no form that was not offered', async () => {
    const { json } = await ask(world.app, { url, headers: { accept: 'text/html, application/xml;q=0.9' } })
    assert.equal(json.code, 'not-acceptable')
  })
})

describe('an export', () => {
  const exported = async (query = '') => {
    const { text } = await ask(world.app, { url: url + query, headers: { accept: 'application/x-ndjson' } })
    return text.split('\n').slice(0, -1)
  }

  it('is every entry up to the end as a DSSE envelope, one a line, that verifies', async () => {
    const lines = await exported()
    assert.equal(lines.length, 10)
    const { keys } = (await ask(world.app, { url: '/v1/ledgers/default/keys', token: null })).json
    for (const [n, line] of lines.entries()) {
      envelope.parse(JSON.parse(line))
      const parsed = parseJson(line)
      assert.ok(parsed.ok)
      const read = parseEntryEnvelope(parsed.value)
      assert.ok(read.ok)
      const [stored] = await world.log.read('default', n, 1)
      assert.equal(hex(read.bytes), hex(stored?.bytes ?? new Uint8Array()))
      assert.ok(nodeSuite.verify(Buffer.from(keys[0].public_hex, 'hex'), signingInput(read.bytes), read.signature))
    }
  })

  it('begins and ends where it was asked to', async () => {
    assert.equal((await exported('?from=4')).length, 6)
    assert.equal((await exported('?from=4&to=6')).length, 2)
    assert.equal((await exported('?from=40')).length, 0)
  })

  it('takes no limit: half of it would look whole', async () => {
    const { json } = await ask(world.app, { url: `${url}?limit=2`, headers: { accept: 'application/x-ndjson' } })
    assert.deepEqual(
      json.errors.map((error: never) => error['pointer']),
      ['limit'],
    )
  })
})

describe('a stream of entries', () => {
  it('tells what is appended as it is, and begins with that', async () => {
    const stream = await follow(world.app, url)
    const next = world.sequencer.head('default')?.seq ?? 0
    await emit(100, 2)
    const events = await stream.take(2)
    assert.deepEqual(
      events.map(({ id, event }) => [id, event]),
      [
        [String(next + 1), 'entry'],
        [String(next + 2), 'entry'],
      ],
    )
    for (const { data } of events) envelope.parse(JSON.parse(data))
    await stream.close()
  })

  it('is woken by what this process appends, and does not wait for its next look', async () => {
    const own = await makeWorld({ followPollMs: 60_000 })
    const stream = await follow(own.app, url)
    await new Promise(resolve => setTimeout(resolve, 50))
    const begun = performance.now()
    await ask(own.app, { method: 'POST', url: eventsUrl, body: anEvent() })
    assert.equal((await stream.take(1)).length, 1)
    assert.ok(performance.now() - begun < 10_000)
    await stream.close()
    await own.close()
  })

  it('begins where it was asked to, and goes on after the last that was seen', async () => {
    const from = await follow(world.app, `${url}?from=3`)
    assert.deepEqual(
      (await from.take(2)).map(({ id }) => id),
      ['3', '4'],
    )
    await from.close()
    const after = await follow(world.app, `${url}?from=0`, { 'last-event-id': '6' })
    assert.deepEqual(
      (await after.take(1)).map(({ id }) => id),
      ['7'],
    )
    await after.close()
    const ended = await follow(world.app, `${url}?from=3&to=5`)
    assert.equal((await ended.rest()).filter(({ event }) => event === 'entry').length, 2)
  })

  it('says that it is there when there is nothing to tell', async () => {
    const stream = await follow(world.app, url)
    assert.match(await stream.comments(2), /following[\s\S]*still here/)
    await stream.close()
  })

  it('ends when its token does', async () => {
    const token = await world.token({ role: 'read' })
    const id = /aep_(\w+?)_/.exec(token)?.[1]
    const stream = await follow(world.app, url, { authorization: `Bearer ${token}` })
    assert.equal((await ask(world.app, { method: 'DELETE', url: `/v1/tokens/${id}` })).status, 204)
    assert.deepEqual(await stream.rest(), [])
  })

  it('is refused when as many are under way as may be, and let in again when one ends', async () => {
    const streams = [await follow(world.app, url), await follow(world.app, url)]
    const accept = 'text/event-stream'
    assert.equal((await ask(world.app, { url, headers: { accept } })).json.code, 'overloaded')
    assert.equal((await ask(world.app, { url, headers: { accept: 'application/x-ndjson' } })).json.code, 'overloaded')
    assert.equal((await ask(world.app, { url })).status, 200)
    await streams[0]?.close()
    const next = await follow(world.app, url)
    await next.close()
    await streams[1]?.close()
  })

  it('is refused with a last event that is no seq', async () => {
    const headers = { accept: 'text/event-stream', 'last-event-id': 'x' }
    assert.equal((await ask(world.app, { url, headers })).json.errors[0].pointer, 'last-event-id')
  })
})
