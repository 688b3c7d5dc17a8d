import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type Operation, operations } from '../../src/contract/operations.ts'
import { covers, holdsFor } from '../../src/http/auth.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { adminToken, makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
  await ask(world.app, { method: 'POST', url: '/v1/ledgers', body: { name: 'acme/prod' } })
})
after(() => world.close())

const addressOf = ({ path }: Operation): string =>
  path
    .replace('{ledger}', 'default')
    .replace('{seq}', '0')
    .replaceAll(/\{\w+\}/g, 'x')
const try_ = (operation: Operation, token: string | null, url = addressOf(operation)) =>
  ask(world.app, { method: operation.method, url, token, ...(operation.method === 'POST' ? { body: {} } : {}) })

describe('every route', () => {
  for (const [id, operation] of Object.entries<Operation>(operations)) {
    it(`${id} asks for ${operation.role === 'none' ? 'no token' : `a token with the role ${operation.role}`}`, async () => {
      const bare = await try_(operation, null)
      if (operation.role === 'none') return assert.notEqual(bare.status, 401)
      assert.equal(bare.status, 401)
      assert.match(String(bare.headers['www-authenticate']), /^Bearer /)
      for (const role of ['emit', 'read', 'admin'] as const) {
        const token = await world.token({ role })
        const allowed: boolean = role === operation.role || role === 'admin'
        assert.equal((await try_(operation, token)).status === 403, !allowed, role)
      }
    })
  }
})

describe('a token', () => {
  it('is taken by its text alone, and a near miss is not', async () => {
    const token = await world.token({ role: 'read' })
    const url = '/v1/ledgers/default'
    assert.equal((await ask(world.app, { url, token })).status, 200)
    const [, id = '', secret = ''] = /^aep_([a-z2-7]+)_(.+)$/.exec(token) ?? []
    const other = await world.token({ role: 'read' })
    for (const wrong of [
      ...['', 'aep_', `aep_${id}_`, `aep_${id}_${secret.slice(1)}`, `${token}x`, token.toUpperCase(), secret],
      ...[
        `aep_${id}_${other.split('_').slice(2).join('_')}`,
        `aep_admin_${adminToken}`,
        hash('sha256', token),
        ` ${token} x`,
      ],
    ]) {
      assert.equal((await ask(world.app, { url, token: wrong })).json.code, 'unauthenticated', wrong)
    }
    for (const authorization of [`Basic ${token}`, token, `Bearer${token}`, `Bearer ${token}, Bearer ${token}`]) {
      assert.equal((await ask(world.app, { url, token: null, headers: { authorization } })).status, 401)
    }
    assert.equal(
      (await ask(world.app, { url, token: null, headers: { authorization: `bearer ${token}` } })).status,
      200,
    )
  })

  it('is shown once and kept as its hash', async () => {
    const { json, text } = await ask(world.app, {
      ...{ method: 'POST', url: '/v1/tokens', body: { label: 'gateway', role: 'emit', ledgers: ['acme/*'] } },
    })
    assert.match(json.token, /^aep_[a-z2-7]{12}_[A-Za-z0-9_-]{43}$/)
    const kept = (await world.log.tokens()).find(token => token.id === json.id)
    assert.equal(kept?.sha256, hash('sha256', json.token))
    assert.ok(!JSON.stringify(await world.log.tokens()).includes(json.token.slice(-43)))
    const listed = (await ask(world.app, { url: '/v1/tokens' })).text
    assert.ok(
      listed.includes(json.id) && !listed.includes(json.token.slice(-43)) && !listed.includes(kept?.sha256 ?? ''),
    )
    assert.ok(text.includes(json.token) && !world.logged.join('').includes(json.token.slice(-43)))
  })

  it('ends when it is revoked, at once', async () => {
    const token = await world.token({ role: 'read' })
    const id = token.split('_')[1]
    assert.equal((await ask(world.app, { method: 'DELETE', url: `/v1/tokens/${id}` })).status, 204)
    assert.equal((await ask(world.app, { url: '/v1/ledgers', token })).status, 401)
    const { items } = (await ask(world.app, { url: '/v1/tokens' })).json
    assert.ok(items.find((item: never) => item['id'] === id).revoked_at)
    assert.equal((await ask(world.app, { method: 'DELETE', url: `/v1/tokens/${id}` })).status, 204)
    assert.equal((await ask(world.app, { method: 'DELETE', url: '/v1/tokens/nobody' })).json.code, 'not-found')
  })

  it('holds for its ledgers, and tells nothing of others: there or not, the answer is the same', async () => {
    const token = await world.token({ role: 'read', ledgers: ['acme/*'] })
    assert.equal((await ask(world.app, { url: '/v1/ledgers/acme%2Fprod/entries', token })).status, 200)
    assert.equal((await ask(world.app, { url: '/v1/ledgers/acme%2Fnone/entries', token })).json.code, 'ledger-unknown')
    const there = await ask(world.app, { url: '/v1/ledgers/default/entries', token })
    const notThere = await ask(world.app, { url: '/v1/ledgers/nowhere/entries', token })
    assert.equal(there.status, 403)
    const { instance: _, ...one } = there.json
    const { instance: __, ...other } = notThere.json
    assert.deepEqual(one, other)
    const { items } = (await ask(world.app, { url: '/v1/ledgers', token })).json
    assert.deepEqual(
      items.map((item: never) => item['ledger']),
      ['acme/prod'],
    )
  })

  it('that emits cannot read what it sent', async () => {
    const token = await world.token({ role: 'emit' })
    const sent = await ask(world.app, { method: 'POST', url: eventsUrl, token, body: anEvent({ id: 'mine' }) })
    assert.equal(sent.status, 201)
    const { seq } = sent.json.items[0]
    assert.equal((await ask(world.app, { url: `/v1/ledgers/default/entries/${seq}`, token })).status, 403)
    assert.equal((await ask(world.app, { url: eventsUrl, token })).status, 403)
  })

  it('gives no more than it has', async () => {
    const admin = await world.token({ role: 'admin', ledgers: ['acme/*'], sources: ['urn:acme:'] })
    const make = (body: object) => ask(world.app, { method: 'POST', url: '/v1/tokens', token: admin, body })
    const sources = ['urn:acme:1']
    assert.equal((await make({ role: 'emit', ledgers: ['acme/prod', 'acme/x*'], sources })).status, 201)
    for (const [body, pointer] of [
      [{ role: 'emit', ledgers: ['default'], sources }, '/ledgers/0'],
      [{ role: 'emit', ledgers: ['acme/prod', '*'], sources }, '/ledgers/1'],
      [{ role: 'emit', ledgers: ['acme*'], sources }, '/ledgers/0'],
      [{ role: 'emit', ledgers: ['acme/prod'] }, '/sources'],
      [{ role: 'emit', ledgers: ['acme/prod'], sources: ['urn:'] }, '/sources'],
    ] as const) {
      const { status, json } = await make(body)
      assert.equal(status, 403, JSON.stringify(body))
      assert.deepEqual(
        json.errors.map((error: never) => error['pointer']),
        [pointer],
      )
    }
    const ask_ = (method: 'POST' | 'DELETE', url: string, body?: object) =>
      ask(world.app, { method, url, token: admin, body })
    assert.equal((await ask_('POST', '/v1/keys/rotate')).status, 403)
    assert.equal((await ask_('POST', '/v1/ledgers', { name: 'other' })).status, 403)
    assert.equal((await ask_('DELETE', '/v1/tokens/admin')).json.code, 'not-found')
    const { items } = (await ask(world.app, { url: '/v1/tokens', token: admin })).json
    assert.ok(
      items.length > 0 && items.every((item: { ledgers: string[] }) => item.ledgers.every(l => l.startsWith('acme/'))),
    )
  })

  it('is refused where it is described wrongly', async () => {
    for (const [body, pointer] of [
      [{ role: 'root', ledgers: ['*'] }, '/role'],
      [{ role: 'read', ledgers: [] }, '/ledgers'],
      [{ role: 'read', ledgers: ['A'] }, '/ledgers/0'],
      [{ role: 'read', ledgers: ['*'], label: 1 }, '/label'],
      [{ role: 'read', ledgers: ['*'], secret: 'x' }, ''],
      [[], ''],
    ] as const) {
      const { json } = await ask(world.app, { method: 'POST', url: '/v1/tokens', body })
      assert.equal(json.code, 'invalid-request')
      assert.deepEqual(
        json.errors.map((error: never) => error['pointer']),
        [pointer],
      )
    }
  })
})

describe('a scope', () => {
  it('holds for the ledger that it names, or for all that begin with what stands before its star', () => {
    assert.ok(holdsFor(['a/b'], 'a/b') && holdsFor(['*'], 'x') && holdsFor(['a/*'], 'a/b/c'))
    assert.ok(!holdsFor(['a/b'], 'a/bc') && !holdsFor(['a/*'], 'a') && !holdsFor([], 'a') && !holdsFor(['a/*'], 'b/a/'))
  })

  it('covers another where it holds for all that the other does', () => {
    assert.ok(covers(['*'], '*') && covers(['a*'], 'ab*') && covers(['a/*'], 'a/b') && covers(['a'], 'a'))
    assert.ok(!covers(['a'], 'a*') && !covers(['ab*'], 'a*') && !covers(['a/*'], '*') && !covers([], '*'))
  })
})
