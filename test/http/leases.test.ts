import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { LeaseAt } from '../../src/projections/port.ts'
import { ask } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

const url = '/v1/ledgers/default/leases'
const clockMs = Date.parse('2026-03-01T12:00:00Z')
let world: World
before(async () => {
  world = await makeWorld()
})
after(() => world.close())
beforeEach(() => {
  world.time.nowMs = clockMs
  world.leases.asked.length = 0
  world.leases.at = 10
  world.leases.items = [1, 2, 3, 4, 5].map(seq => leaseAt(seq, seq === 4 ? 'again' : `lease-${seq}`))
})

const leaseAt = (grantedSeq: number, leaseId: string): LeaseAt => ({
  lease: {
    ...{ leaseId, grantedSeq, grantedAtMs: 0, seq: grantedSeq, atMs: 0, principal: 'ab'.repeat(8), server: 'files' },
    ...{ tools: ['read', 'write'], expiresAt: 'tomorrow', violations: [], violationCount: 0 },
  },
  status: 'active',
  invocationCount: 0,
})

describe('a list of leases', () => {
  it('gives each with the members that the format names, and no more', async () => {
    const violations = [{ code: 'over-use', seq: 9, atMs: 5, detail: 'used more often than it allows' } as const]
    const base = leaseAt(1, 'one')
    world.leases.items = [
      {
        ...base,
        lease: { ...base.lease, maxInvocations: 2, violations, violationCount: 31 },
        status: 'exhausted',
        invocationCount: 3,
      },
      leaseAt(2, 'two'),
    ]
    const { json } = await ask(world.app, { url })
    assert.deepEqual(json.items[0], {
      ...{ lease_id: 'one', principal_hash: 'ab'.repeat(8), server_id: 'files', granted_tools: ['read', 'write'] },
      ...{ status: 'exhausted', invocation_count: 3, max_invocations: 2, expires_at: 'tomorrow', granted_seq: 1 },
      violations: [{ code: 'over-use', seq: 9, detail: 'used more often than it allows' }],
      violation_count: 31,
    })
    assert.equal(json.items[1].max_invocations, null)
  })

  it('passes its filter on, and asks about now unless told otherwise', async () => {
    await ask(world.app, { url: `${url}?state=revoked&principal=p&server=s&tool=t&limit=3` })
    await ask(world.app, { url: `${url}?at=2026-01-01T00:00:00Z` })
    await ask(world.app, { url: `${url}?at=5` })
    assert.deepEqual(world.leases.asked, [
      { filter: { status: 'revoked', principal: 'p', server: 's', tool: 't' }, atMs: clockMs, after: -1, now: true },
      { filter: {}, atMs: 1_767_225_600_000, after: -1, now: false },
      { filter: {}, atMs: 5, after: -1, now: false },
    ])
  })

  it('turns its pages at the moment of the first', async () => {
    const first = await ask(world.app, { url: `${url}?limit=2` })
    assert.deepEqual(
      first.json.items.map((item: never) => item['granted_seq']),
      [1, 2],
    )
    world.time.nowMs += 1000
    const link = /<(.+)>/.exec(String(first.headers['link']))?.[1] ?? ''
    const second = await ask(world.app, { url: link })
    assert.deepEqual(
      second.json.items.map((item: never) => item['granted_seq']),
      [3, 4],
    )
    assert.deepEqual(world.leases.asked[1], { filter: {}, atMs: clockMs, after: 2, now: true })
    const other = await ask(world.app, { url: `${url}?at=5&cursor=${first.json.next}` })
    assert.equal(other.json.errors[0].pointer, 'cursor')
  })

  it('says how far it knows', async () => {
    assert.equal((await ask(world.app, { url })).json.complete, true)
    world.leases.at = -1
    const { json } = await ask(world.app, { url })
    assert.deepEqual([json.as_of, json.complete], [-1, false])
  })

  it('refuses what it does not know', async () => {
    for (const query of ['state=gone', 'at=never', 'status=active', 'limit=0', 'cursor=x']) {
      assert.equal((await ask(world.app, { url: `${url}?${query}` })).json.code, 'invalid-request', query)
    }
  })
})

describe('the leases of one id', () => {
  it('are a list, for an id may be granted again', async () => {
    world.leases.items = [leaseAt(3, 'again'), leaseAt(4, 'again'), leaseAt(5, 'a/b c')]
    const { json } = await ask(world.app, { url: `${url}/again` })
    assert.deepEqual(
      json.items.map((item: never) => item['granted_seq']),
      [3, 4],
    )
    assert.equal((await ask(world.app, { url: `${url}/a%2Fb%20c` })).json.items[0].granted_seq, 5)
  })

  it('are none, and what was done under it, where nobody granted it', async () => {
    const violations = [{ code: 'use-of-unknown-lease', seq: 9, atMs: 5, detail: 'used, and nobody had' } as const]
    world.leases.strays.set('nobody', { violations, violationCount: 1 })
    const { status, json } = await ask(world.app, { url: `${url}/nobody` })
    world.leases.strays.clear()
    assert.equal(status, 200)
    assert.deepEqual(json, {
      ...{ items: [], next: null, as_of: 10, complete: true },
      ...{ violations: [{ code: 'use-of-unknown-lease', seq: 9, detail: 'used, and nobody had' }], violation_count: 1 },
    })
    const granted = await ask(world.app, { url: `${url}/again` })
    assert.deepEqual([granted.json.violations, granted.json.violation_count], [[], 0])
    assert.equal('violations' in (await ask(world.app, { url })).json, false)
  })

  it('are a 404 where there is none', async () => {
    assert.equal((await ask(world.app, { url: `${url}/nobody` })).json.code, 'not-found')
    assert.equal((await ask(world.app, { url: '/v1/ledgers/nowhere/leases/x' })).json.code, 'ledger-unknown')
    assert.equal((await ask(world.app, { url: `${url}/${'x'.repeat(1025)}` })).json.code, 'invalid-request')
  })
})
