import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parseKeys } from '../../src/aep/keyring.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { ask } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
})
after(() => world.close())

const lastType = async (ledger: string) => {
  const [stored] = await world.log.read(ledger, (await world.log.head(ledger))?.seq ?? 0, 1)
  return stored === undefined ? '' : readEntry(stored.bytes).event.type
}

describe('a ledger', () => {
  it('is made once, by name, and then is there with its first entry as head', async () => {
    const made = await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name: 'acme/new' } })
    assert.equal(made.status, 201)
    assert.equal(made.headers['location'], '/v1/ledgers/acme%2Fnew')
    assert.equal(made.json.head.seq, 0)
    assert.deepEqual((await ask(world.app, { url: String(made.headers['location']) })).json, made.json)
    assert.equal(await lastType('acme/new'), 'aep.ledger.created')
    const again = await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name: 'acme/new' } })
    assert.equal(again.json.code, 'ledger-exists')
    const { items } = (await ask(world.app, { url: '/v1/ledgers' })).json
    assert.deepEqual(
      items.map((item: never) => item['ledger']),
      ['acme/new', 'default'],
    )
  })

  it('is not made with a name that is none, or a body that is no such thing', async () => {
    for (const name of ['', 'A', 'a//b', '../b', 'x'.repeat(129), 1, null]) {
      const { json } = await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name } })
      assert.deepEqual([json.code, json.errors[0].pointer], ['invalid-request', '/name'], String(name))
    }
    const post = (body: unknown, headers = {}) => ask(world.app, { method: 'POST', url: '/v1/ledgers', body, headers })
    assert.equal((await post('{"name":"b","name":"c"}')).json.code, 'malformed-json')
    assert.equal((await post('{"name":"b"}', { 'content-type': 'text/plain' })).json.code, 'unsupported-media-type')
    assert.equal(
      (await post('{"name":"b"}', { 'content-type': 'application/x-ndjson' })).json.code,
      'unsupported-media-type',
    )
    assert.equal((await ask(world.app, { method: 'POST', url: '/v1/ledgers' })).json.code, 'malformed-json')
  })
})

describe('the keys of a ledger', () => {
  it('are public, and are what a verifier takes as its file of keys', async () => {
    const { json } = await ask(world.app, { url: '/v1/ledgers/default/keys', token: null })
    const parsed = parseKeys(json)
    assert.ok(parsed.ok && parsed.keys.size === 1)
    assert.equal((await ask(world.app, { url: '/v1/ledgers/nowhere/keys', token: null })).json.code, 'ledger-unknown')
  })

  it('say from where to where each signs, once one takes the place of another', async () => {
    const rotated = await ask(world.app, { method: 'POST', url: '/v1/keys/rotate' })
    assert.equal(rotated.status, 201)
    assert.ok(rotated.json.ledgers.includes('default'))
    const { keys } = (await ask(world.app, { url: '/v1/ledgers/default/keys', token: null })).json
    assert.equal(keys.length, 2)
    assert.equal(keys[0].to_seq + 1, keys[1].from_seq)
    assert.equal(keys[1].to_seq, undefined)
    assert.equal(keys[1].key_id, rotated.json.key_id)
    assert.equal(await lastType('default'), 'aep.ledger.key.rotated')
  })
})

describe('a key of a ledger', () => {
  const revoke = (key: string, body: unknown) =>
    ask(world.app, { method: 'POST', url: `/v1/ledgers/default/keys/${key}/revoke`, body })

  it('is revoked in the ledger itself, with the seq from which on it is not to be believed', async () => {
    const { keys } = (await ask(world.app, { url: '/v1/ledgers/default/keys', token: null })).json
    const { status, json } = await revoke(keys[0].key_id, { compromised_since_seq: 0, reason: 'stolen' })
    assert.equal(status, 201)
    const head = await world.log.head('default')
    assert.deepEqual(json, { key_id: keys[0].key_id, seq: head?.seq, compromised_since_seq: 0 })
    const [stored] = await world.log.read('default', head?.seq ?? 0, 1)
    const { event } = readEntry(stored?.bytes ?? new Uint8Array())
    assert.ok(event.type === 'aep.ledger.key.revoked')
    assert.deepEqual([event.data.compromised_since_seq, event.data.reason], [0, 'stolen'])
  })

  it('is not revoked from a seq that is none, or where nobody knows it', async () => {
    for (const since of [-1, 1.5, '3', null]) {
      const { json } = await revoke('k', { compromised_since_seq: since })
      assert.deepEqual([json.code, json.errors[0].pointer], ['invalid-request', '/compromised_since_seq'])
    }
    assert.equal((await revoke('k', {})).json.code, 'not-found')
  })
})

describe('an emitter', () => {
  it('is registered and ended in the ledger itself', async () => {
    const url = '/v1/ledgers/default/emitters'
    const body = { key_id: 'gw/1', public_hex: 'ab'.repeat(32), sources: ['urn:gw:'] }
    assert.deepEqual((await ask(world.app, { method: 'POST', url, body })).json, body)
    assert.equal(await lastType('default'), 'aep.ledger.emitter.registered')
    assert.equal((await ask(world.app, { method: 'DELETE', url: `${url}/gw%2F1` })).status, 204)
    assert.equal(await lastType('default'), 'aep.ledger.emitter.revoked')
    assert.equal((await ask(world.app, { method: 'DELETE', url: `${url}/gw%2F1` })).json.code, 'not-found')
  })

  it('is refused with a key that is none', async () => {
    const url = '/v1/ledgers/default/emitters'
    const { json } = await ask(world.app, { method: 'POST', url, body: { key_id: '', public_hex: 'AB'.repeat(32) } })
    assert.deepEqual(json.errors.map((error: never) => error['pointer']).sort(), ['/key_id', '/public_hex'])
  })
})
