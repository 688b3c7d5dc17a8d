import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { canonicalText } from '../../src/aep/canonical.ts'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import { emitterSigningInput } from '../../src/aep/event/signature.ts'
import { base64, hex } from '../../src/base/bytes.ts'
import { eventBytesMaxOf } from '../../src/contract/ingest.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { encodeEntry, entryBytesMax, type Seq, zeroHash } from '../../src/ledger/entry.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
})
after(() => world.close())

const send = (body: unknown, token?: string) =>
  ask(world.app, { method: 'POST', url: eventsUrl, body, ...(token === undefined ? {} : { token }) })
const entryAt = async (seq: number) => {
  const [stored] = await world.log.read('default', seq, 1)
  assert.ok(stored !== undefined)
  return { ...readEntry(stored.bytes), bytes: stored.bytes }
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const recordEvent = (id: string, record: string, over = {}) =>
  anEvent({ id, type: 'aep.record', data: { record }, ...over })
/** A decision whose canonical form has exactly `bytes` bytes. */
const sized = (id: string, bytes: number) => {
  const event = (run_id: string, args: string) => anEvent({ id, data: { decision: 'allow', run_id, args } })
  const bare = Buffer.byteLength(canonicalText(event('ä', '') as never))
  return event('ä', 'x'.repeat(bytes - bare))
}

describe('the size of an entry', () => {
  const bytesMax = eventBytesMaxOf(entryBytesMax)

  it('leaves an event the same bytes whichever ledger, token and place it gets', () => {
    const intake = { by: 'b'.repeat(32), emitter_sig: 'key_unknown', record_sig: 'not_a_record' } as const
    const frame = {
      ...{ ledger: 'l'.repeat(128), seq: Number.MAX_SAFE_INTEGER as Seq, prev: zeroHash, intake },
      ...{ recorded_at: new Date().toISOString(), key_id: 'k'.repeat(32) },
    }
    assert.equal(encodeEntry(frame, 'x'.repeat(bytesMax)).length, entryBytesMax)
  })

  it('takes an event of just these bytes, and refuses one more', async () => {
    const taken = await send(sized('fits', bytesMax))
    assert.equal(taken.status, 201)
    assert.ok((await entryAt(taken.json.items[0].seq)).bytes.length <= entryBytesMax)
    const refused = await send([anEvent({ id: 'small' }), sized('fits not', bytesMax + 1)])
    assert.equal(refused.json.code, 'entry-too-large')
    assert.deepEqual(
      refused.json.errors.map((error: never) => error['pointer']),
      ['/1'],
    )
    assert.match(refused.json.errors[0].detail, new RegExp(`has ${bytesMax + 1} bytes .* holds ${bytesMax} `))
  })
})

describe('an AEP record', () => {
  it('is kept as the exact text that came, with the verdict on its own signature', async () => {
    const record = ' {"schema_version":"aep/v0.1",\n "note" : "as it came" } '
    const { json } = await send(recordEvent('r1', record))
    const { event, intake } = await entryAt(json.items[0].seq)
    assert.deepEqual(event.data, { record })
    assert.notEqual(intake.record_sig, 'not_a_record')
    const text = await ask(world.app, { url: `/v1/ledgers/default/entries/${json.items[0].seq}/record` })
    assert.equal(text.text, record)
  })

  it('too large for an entry is kept beside the log, and read back as it came', async () => {
    const record = JSON.stringify({ schema_version: 'aep/v0.3', payload: 'ö'.repeat(500_000) })
    const made = await send(recordEvent('large', record))
    assert.equal(made.json.items[0].status, 'created')
    const { seq } = made.json.items[0]
    const { event, intake } = await entryAt(seq)
    const named = { record_digest: sha256(record), record_length: Buffer.byteLength(record) }
    assert.deepEqual(event.data, named)
    assert.notEqual(intake.record_sig, 'not_a_record')
    assert.equal(Buffer.from((await world.log.record(named.record_digest)) ?? []).toString(), record)
    assert.equal((await ask(world.app, { url: `/v1/ledgers/default/entries/${seq}/record` })).text, record)
    const again = await send(recordEvent('large', record))
    assert.deepEqual(again.json.items, [{ ...made.json.items[0], status: 'duplicate' }])
    const byName = await send({ ...event })
    assert.deepEqual(byName.json.items, again.json.items)
  })

  it('too large, in an event that its emitter signed, is refused with what to do', async () => {
    const { status, json } = await send(
      recordEvent('signed', 'x'.repeat(70_000), { emittersig: 'AA==', emitterkeyid: 'k' }),
    )
    assert.equal(status, 413)
    assert.match(json.errors[0].detail, /Leave emittersig out/)
  })

  it('too large even without its text is refused', async () => {
    const data = { record: 'x'.repeat(70_000), unmapped: { more: 'y'.repeat(70_000) } }
    const { json } = await send(anEvent({ id: 'both', type: 'aep.record', data }))
    assert.equal(json.code, 'entry-too-large')
    assert.equal(await world.log.record(sha256(data.record)), undefined)
  })

  it('that is only named is refused unless it is kept here, at that length', async () => {
    const kept = JSON.stringify({ kept: 'z'.repeat(70_000) })
    await send(recordEvent('kept', kept))
    const named = (id: string, record_digest: string, record_length: number) =>
      send(anEvent({ id, type: 'aep.record', data: { record_digest, record_length } }))
    assert.equal((await named('n1', sha256(kept), kept.length)).status, 201)
    assert.equal((await named('n2', sha256(kept), kept.length + 1)).json.errors[0].pointer, '/data/record_digest')
    assert.equal((await named('n3', sha256('nowhere'), 7)).json.code, 'invalid-event')
  })

  it('of another ledger can be neither named, read nor known of', async () => {
    await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name: 'secret' } })
    const secret = JSON.stringify({ secret: 's'.repeat(70_000) })
    const sendTo = (ledger: string, body: unknown) =>
      ask(world.app, { method: 'POST', url: `/v1/ledgers/${ledger}/events`, body })
    const named = (id: string, text: string) =>
      anEvent({ id, type: 'aep.record', data: { record_digest: sha256(text), record_length: text.length } })
    assert.equal((await sendTo('secret', recordEvent('s1', secret))).status, 201)
    assert.equal((await sendTo('secret', named('s2', secret))).status, 201)
    const there = await sendTo('default', named('spy', secret))
    const nowhere = await sendTo('default', named('spy', 'n'.repeat(secret.length)))
    assert.equal(there.status, 400)
    const { request_id: _, instance: __, ...same } = there.json
    const { request_id: _2, instance: __2, ...other } = nowhere.json
    assert.deepEqual(same, other)
    // Whoever has the text may keep it here, too, and name it from then on.
    assert.equal((await sendTo('default', recordEvent('d1', secret))).status, 201)
    assert.equal((await sendTo('default', named('d2', secret))).status, 201)
  })

  it('for a ledger that there is not is not kept', async () => {
    const record = 'q'.repeat(70_000)
    const told = await ask(world.app, {
      method: 'POST',
      url: '/v1/ledgers/nowhere/events',
      body: recordEvent('x', record),
    })
    assert.equal(told.json.code, 'ledger-unknown')
    assert.equal(await world.log.record(sha256(record)), undefined)
  })
})

describe('records full of signatures that nobody made', () => {
  it('do not hold up everybody else while they are judged', async t => {
    const emitter = { key_id: 'gw-signatures', public_hex: hex(nodeSuite.publicKey(new Uint8Array(32).fill(3))) }
    await ask(world.app, { method: 'POST', url: '/v1/ledgers/default/emitters', body: emitter })
    const sig = base64(nodeSuite.sign(new Uint8Array(32).fill(4), new Uint8Array(0)))
    const envelope = {
      payloadType: 'application/vnd.in-toto+json',
      payload: 'e30=',
      signatures: Array(16).fill({ sig }),
    }
    const record = JSON.stringify({ schema_version: 'aep/v0.4', dsse_envelope: envelope })
    const events = Array.from({ length: 300 }, (_, n) => recordEvent(`signatures-${n}`, record))
    const verify = t.mock.method(nodeSuite, 'verify')
    let done = false
    const sent = send(events).finally(() => {
      done = true
    })
    const answeredAt: number[] = []
    while (!done) {
      assert.equal((await ask(world.app, { url: '/livez' })).status, 200)
      answeredAt.push(verify.mock.callCount())
      await new Promise(setImmediate)
    }
    const { status, json } = await sent
    assert.equal(status, 201)
    assert.equal((await entryAt(json.items[299].seq)).intake.record_sig, 'invalid')
    const all = verify.mock.callCount()
    assert.ok(
      answeredAt.filter(count => count > 0 && count < all).length > 3,
      `others were answered after ${answeredAt} of ${all}`,
    )
  })
})

describe('an event that its emitter signed', () => {
  const seed = new Uint8Array(32).fill(9)
  const signed = (id: string, keyId: string, tamper = false) => {
    const event = anEvent({ id, emitterkeyid: keyId }) as unknown as AepEvent
    const emittersig = base64(nodeSuite.sign(seed, emitterSigningInput(event)))
    return { ...event, emittersig, ...(tamper ? { subject: 'tampered' } : {}) }
  }
  const verdictOf = async (event: unknown) => (await entryAt((await send(event)).json.items[0].seq)).intake.emitter_sig

  it('is taken with the verdict, whatever that is', async () => {
    assert.equal(await verdictOf(signed('s1', 'gw-1')), 'key_unknown')
    const key = { key_id: 'gw-1', public_hex: hex(nodeSuite.publicKey(seed)) }
    await ask(world.app, { method: 'POST', url: '/v1/ledgers/default/emitters', body: key })
    assert.equal(await verdictOf(signed('s2', 'gw-1')), 'valid')
    assert.equal(await verdictOf(signed('s3', 'gw-1', true)), 'invalid')
    await ask(world.app, { method: 'DELETE', url: '/v1/ledgers/default/emitters/gw-1' })
    assert.equal(await verdictOf(signed('s4', 'gw-1')), 'key_unknown')
  })
})

describe('a token bound to sources', () => {
  it('may send under its prefixes and no other, and each offender is named', async () => {
    const token = await world.token({ role: 'emit', sources: ['urn:gw:a/', 'urn:gw:b'] })
    assert.equal((await send(anEvent({ id: 'own', source: 'urn:gw:a/1' }), token)).status, 201)
    const events = ['urn:gw:b2', 'urn:gw:a', 'urn:gw:a/2', 'urn:other'].map((source, n) =>
      anEvent({ id: `s${n}`, source }),
    )
    const { status, json } = await send(events, token)
    assert.equal(status, 403)
    assert.deepEqual(
      json.errors.map((error: never) => error['pointer']),
      ['/1/source', '/3/source'],
    )
  })
})
