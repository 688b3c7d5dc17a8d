import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { faults } from '../../src/base/fault.ts'
import { openapi } from '../../src/contract/openapi.ts'
import { type Operation, operations } from '../../src/contract/operations.ts'
import { roles } from '../../src/log/control.ts'
import { ask } from './support/ask.ts'
import { adminToken, makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
})
after(() => world.close())

describe('the routes', () => {
  it('are the operations of the contract, and the viewer', () => {
    const tree = world.app.printRoutes({ commonPrefix: false, includeHooks: false })
    const count = [...tree.matchAll(/\((GET|POST|DELETE)[^)]*\)/g)].length
    for (const { method, path } of Object.values<Operation>(operations)) {
      assert.ok(world.app.hasRoute({ method, url: path.replaceAll(/\{(\w+)\}/g, ':$1') }), path)
    }
    const viewer = [...tree.matchAll(/docs/g)].length
    assert.ok(viewer > 0 && count > 0)
  })

  it('take their roles from the tokens’ set', () => {
    for (const { role } of Object.values<Operation>(operations)) {
      assert.ok(role === 'none' || (roles as readonly string[]).includes(role))
    }
  })

  it('answer any other method with the ones that they take', async () => {
    for (const [url, allow] of [
      ['/v1/ledgers', 'GET, POST'],
      ['/v1/ledgers/default/events', 'POST, GET'],
      ['/v1/tokens/x', 'DELETE'],
      ['/livez', 'GET'],
    ] as const) {
      for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'QUERY'] as const) {
        const { statusCode, headers } = await world.app.inject({ method: method as 'PUT', url })
        assert.deepEqual([statusCode, headers['allow']], [405, allow], `${method} ${url}`)
      }
    }
  })

  it('say of an unknown one that there is none, and how a slash is written', async () => {
    assert.equal((await ask(world.app, { url: '/nowhere' })).json.code, 'not-found')
    assert.equal((await ask(world.app, { url: '/' })).json.code, 'not-found')
    const { json } = await ask(world.app, { url: '/v1/ledgers/acme/prod/events' })
    assert.match(json.detail, /%2F/)
    assert.equal((await ask(world.app, { url: '/v1/%zz' })).json.code, 'malformed-request')
    assert.equal((await ask(world.app, { url: '/v1/ledgers/%ff' })).json.code, 'malformed-request')
  })

  it('name each request, by the name that it came with where that is a word', async () => {
    const named = await ask(world.app, { url: '/nowhere', headers: { 'x-request-id': 'my-request.1' } })
    assert.equal(named.json.instance, 'my-request.1')
    const live = await ask(world.app, { url: '/livez', headers: { 'x-request-id': 'my-request.1' } })
    assert.equal(live.headers['x-request-id'], 'my-request.1')
    const odd = await ask(world.app, { url: '/livez', headers: { 'x-request-id': 'a b"<script>' } })
    assert.match(String(odd.headers['x-request-id']), /^[0-9a-f]{12}-[0-9a-z]+$/)
  })

  it('tell browsers to run, frame, sniff and keep nothing', async () => {
    for (const url of ['/livez', '/v1/ledgers', '/problems/internal', '/v1/ledgers/default', '/nowhere', '/%zz']) {
      const { headers } = await ask(world.app, { url })
      assert.match(String(headers['content-security-policy']), /default-src 'none'/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['cache-control'], 'no-store')
    }
  })
})

describe('a problem', () => {
  it('has a type that resolves to what it is and what to do, for every fault', async () => {
    for (const [code, { title, hint }] of Object.entries(faults)) {
      const { json } = await ask(world.app, { url: `/problems/${code}`, token: null })
      assert.deepEqual([json.title, json.hint], [title, hint])
    }
    assert.equal((await ask(world.app, { url: '/problems/toString' })).json.code, 'invalid-request')
    assert.equal((await ask(world.app, { url: '/problems/constructor' })).json.code, 'not-found')
  })

  it('says nothing of what failed inside, and the log does', async () => {
    const own = await makeWorld()
    own.log.head = async () => {
      throw new Error('the secret path is /var/lib/x')
    }
    const { json, text } = await ask(own.app, { url: '/v1/ledgers/default' })
    assert.equal(json.code, 'internal')
    assert.ok(!text.includes('secret path'))
    const line = own.logged.find(logged => logged.includes('the secret path'))
    assert.ok(line?.includes(json.instance))
    await own.close()
  })
})

describe('health', () => {
  it('is ready while every essential part is, whatever the others', async () => {
    const part = (name: string, ready: boolean, essential: boolean) => ({ name, ready, essential, detail: 'as it is' })
    let parts = [part('log', true, true), part('search', false, false)]
    const own = await makeWorld({}, { health: () => parts })
    const ready = await ask(own.app, { url: '/readyz', token: null })
    assert.deepEqual(ready.json, { status: 'ready', parts })
    parts = [part('log', false, true), part('search', true, false)]
    const not = await ask(own.app, { url: '/readyz', token: null })
    assert.deepEqual([not.json.code, not.json.parts], ['not-ready', parts])
    assert.equal((await ask(own.app, { url: '/livez', token: null })).status, 200)
    assert.equal((await own.app.inject({ method: 'HEAD', url: '/readyz' })).statusCode, 503)
    await own.close()
  })
})

describe('metrics', () => {
  it('are for this machine, and else for tokens that may read every ledger', async () => {
    const from = (remoteAddress: string, token?: string, headers = {}) =>
      world.app.inject({
        ...{ method: 'GET', url: '/metrics', remoteAddress },
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      })
    assert.equal((await from('127.0.0.1')).statusCode, 200)
    assert.equal((await from('::1')).statusCode, 200)
    assert.equal((await from('127.0.0.1', undefined, { 'x-forwarded-for': '10.0.0.1' })).statusCode, 401)
    assert.equal((await from('127.0.0.1', undefined, { host: 'rebound.example:8080' })).statusCode, 401)
    assert.equal((await from('127.0.0.1', undefined, { host: '127.0.0.1:8080' })).statusCode, 200)
    assert.equal((await from('10.0.0.1')).statusCode, 401)
    assert.equal((await from('10.0.0.1', await world.token({ role: 'emit' }))).statusCode, 403)
    assert.equal((await from('10.0.0.1', await world.token({ role: 'read', ledgers: ['a*'] }))).statusCode, 403)
    assert.equal((await from('10.0.0.1', await world.token({ role: 'read' }))).statusCode, 200)
  })

  it('have a token of their own where one is given, which opens nothing else', async () => {
    const token = 'the-token-of-who-scrapes'
    const own = await makeWorld({}, { metricsToken: token })
    const from = (url: string, authorization: string, method: 'GET' | 'POST' = 'GET') =>
      own.app.inject({ method, url, remoteAddress: '10.0.0.1', headers: { authorization } })
    assert.equal((await from('/metrics', `Bearer ${token}`)).statusCode, 200)
    for (const wrong of ['', token, `Basic ${token}`, `Bearer ${token}x`, `Bearer ${token.slice(1)}`, 'Bearer x']) {
      assert.equal((await from('/metrics', wrong)).statusCode, 401, wrong)
    }
    assert.equal((await from('/metrics', `Bearer ${adminToken}`)).statusCode, 200)
    for (const { method, path, role } of Object.values<Operation>(operations)) {
      if (role === 'none') continue
      const url = path.replace('{ledger}', 'default').replaceAll(/\{\w+\}/g, 'x')
      const reply = await own.app.inject({ method, url, headers: { authorization: `Bearer ${token}` } })
      assert.equal(reply.statusCode, 401, path)
    }
    await own.close()
  })
})

describe('the description of the service', () => {
  it('is served as it is generated', async () => {
    const { json } = await ask(world.app, { url: '/openapi.json', token: null })
    assert.deepEqual(json, JSON.parse(JSON.stringify(openapi('0.0.0'))))
  })

  it('has a viewer that loads nothing from elsewhere and runs no script that is not its own', async () => {
    const page = await world.app.inject('/docs')
    assert.equal(page.statusCode, 200)
    assert.match(String(page.headers['content-security-policy']), /script-src 'self';/)
    assert.ok(!String(page.headers['content-security-policy']).includes('unsafe'))
    assert.ok(!/https?:\/\//.test(page.body))
    assert.ok(!/<script(?![^>]* src=)|<style|\son\w+=/.test(page.body), 'nothing inline')
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
    assert.ok(files.length >= 5)
    for (const file of files) assert.equal((await world.app.inject(file)).statusCode, 200, file)
    const description = await world.app.inject('/docs/json')
    assert.deepEqual(description.json(), JSON.parse(JSON.stringify(openapi('0.0.0'))))
  })
})
