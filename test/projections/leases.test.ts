import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../src/aep/json.ts'
import { type LeaseAt, leaseAt, leaseNow } from '../../src/projections/leases.ts'
import {
  alice,
  bob,
  decided,
  familyAfter,
  granted,
  minute,
  minuteMs,
  recordedAt,
  revoked,
  type Told,
  used,
} from './history.ts'

/** The leases of `l-1` at a minute, after the events. */
const at = (n: number, ...events: readonly Told[]): LeaseAt[] =>
  familyAfter(events).leases.flatMap(lease => leaseAt(lease, minuteMs(n)) ?? [])
const statuses = (n: number, ...events: readonly Told[]) => at(n, ...events).map(one => one.status)
const counts = (n: number, ...events: readonly Told[]) => at(n, ...events).map(one => one.invocationCount)
/** Code and offending seq of every violation, whenever it was. */
const violations = (...events: readonly Told[]) =>
  familyAfter(events).leases.flatMap(lease =>
    leaseNow(lease, 0).lease.violations.map(({ code, seq }) => `${code} ${seq}`),
  )

describe('a lease', () => {
  it('has the terms that it was granted with', () => {
    const [found] = at(1, granted(0, { max_invocations: 3, state_changing: true }))
    assert.deepEqual(found, {
      lease: {
        leaseId: 'l-1',
        grantedSeq: 1,
        grantedAtMs: minuteMs(0),
        seq: 1,
        atMs: minuteMs(0),
        principal: alice,
        server: 'srv-1',
        tools: ['write'],
        expiresAt: minute(60),
        expiresAtMs: minuteMs(60),
        maxInvocations: 3,
        stateChanging: true,
        violations: [],
        violationCount: 0,
      },
      status: 'active',
      invocationCount: 0,
    })
  })

  it('is not there before it was granted', () => {
    assert.deepEqual(statuses(4.999, granted(5)), [])
    assert.deepEqual(statuses(5, granted(5)), ['active'])
  })

  it('is active until the ms of its expiry, and expired from then on', () => {
    const events = [granted(0)]
    assert.deepEqual(statuses(60 - 1 / 60_000, ...events), ['active'])
    assert.deepEqual(statuses(60, ...events), ['expired'])
  })

  for (const expires_at of ['never', '', '2026-01-01T00:00:00', '1767225600000']) {
    it(`is expired from the start when ${JSON.stringify(expires_at)} is its expiry, which is no date`, () => {
      assert.deepEqual(statuses(0, granted(0, { expires_at })), ['expired'])
      assert.deepEqual(violations(granted(0, { expires_at }), used(1, 'd-1')), ['use-after-expiry 2'])
    })
  }

  it('is exhausted by the last use that it allows', () => {
    const events = [granted(0, { max_invocations: 2 }), used(1, 'd-1'), used(2, 'd-2')]
    assert.deepEqual([statuses(1, ...events), statuses(2, ...events)], [['active'], ['exhausted']])
    assert.deepEqual(violations(...events), [])
  })

  it('of no uses at all is exhausted from the start', () => {
    for (const max_invocations of [0, -1]) assert.deepEqual(statuses(0, granted(0, { max_invocations })), ['exhausted'])
  })

  it('without a limit is never exhausted', () => {
    const uses = Array.from({ length: 700 }, (_, n) => used(1, `d-${n}`))
    assert.deepEqual(
      at(1, granted(0), ...uses).map(one => [one.status, one.invocationCount]),
      [['active', 700]],
    )
  })

  it('is revoked, superseded, expired, exhausted, active, in this order of precedence', () => {
    const exhausted = [granted(0, { max_invocations: 1 }), used(1, 'd-1')]
    const superseded = [...exhausted, granted(3, { lease_id: 'l-2', supersedes: 'l-1' })]
    const all = [...superseded, revoked(4)]
    assert.deepEqual(
      [0, 1, 3, 4, 60].map(n => statuses(n, ...all)[0]),
      ['active', 'exhausted', 'superseded', 'revoked', 'revoked'],
    )
    assert.deepEqual(statuses(60, ...exhausted), ['expired'])
    assert.deepEqual(statuses(60, ...superseded), ['superseded'])
  })

  it('without a time of its own has the time at which it was recorded', () => {
    const { at: _, ...timeless } = granted(0, { expires_at: '2027-01-01T00:00:00Z' })
    assert.equal(familyAfter([timeless]).leases[0]?.grantedAtMs, Date.parse(recordedAt))
  })
})

describe('a use', () => {
  it('is counted once a decision', () => {
    assert.deepEqual(counts(5, granted(0), used(1, 'd-1'), used(1, 'd-1'), used(2, 'd-2'), used(3, 'd-1')), [2])
  })

  it('without a decision is counted each time', () => {
    assert.deepEqual(counts(5, granted(0), used(1), used(1)), [2])
  })

  it('of another emitter is another use, whatever its decision is called', () => {
    const odd = ['urn:h', ' urn:g', '[', 'urn:g"']
    const others = odd.map(source => ({ ...used(1, 'd-1'), source }))
    assert.deepEqual(counts(5, granted(0), used(1, 'd-1'), ...others, ...others), [1 + odd.length])
  })

  it('is told apart from another, however source and decision are put together', () => {
    const home = used(1, 'x d')
    const foreign = { ...used(1, 'd'), source: ' x' }
    assert.deepEqual(counts(5, granted(0), home, foreign), [2])
    assert.deepEqual(counts(5, granted(0), foreign, home), [2])
  })

  it('is counted up to the moment asked about, in whatever order it came', () => {
    const events = [granted(0), used(3, 'd-1'), used(1, 'd-2'), used(2, 'd-3')]
    assert.deepEqual(
      [0, 1, 2, 3].map(n => counts(n, ...events)[0]),
      [0, 1, 2, 3],
    )
  })

  it('is not what a decision that merely names the lease is', () => {
    assert.deepEqual(counts(5, granted(0), decided(1, 'd-1'), decided(2, 'd-2')), [0])
  })

  it("is counted by us: the emitter's own counter is not believed", () => {
    assert.deepEqual(counts(5, granted(0, { invocation_count: 9 }), used(1, 'd-1', { invocation_count: 40 })), [1])
  })
})

describe('an id that is granted again', () => {
  it('without superseding is two leases, and a violation', () => {
    const events = [granted(0), granted(5, { principal_hash: bob, max_invocations: 1 })]
    assert.deepEqual(violations(...events), ['lease-id-reused 2'])
    assert.deepEqual(
      at(5, ...events).map(({ lease }) => [lease.grantedSeq, lease.principal]),
      [
        [1, alice],
        [2, bob],
      ],
    )
  })

  it('leaves each use with the grant that it fits', () => {
    const grants = [granted(0), granted(0, { principal_hash: bob }), granted(0, { server_id: 'srv-2' })]
    const events = [
      ...grants,
      used(1, 'd-1', { principal_hash: bob }),
      used(1, 'd-2', { principal_hash: alice, server_id: 'srv-1' }),
      used(1, 'd-3', { server_id: 'srv-2' }),
      used(1, 'd-4', { principal_hash: bob, server_id: 'srv-1', tool_name: 'write' }),
    ]
    assert.deepEqual(counts(2, ...events), [1, 2, 1])
    assert.deepEqual(violations(...events), ['lease-id-reused 2', 'lease-id-reused 3'])
  })

  it('leaves a use that fits none with the newest, and one that fits several with the newest granted by then', () => {
    const grants = [granted(0), granted(5)]
    assert.deepEqual(counts(9, ...grants, used(6, 'd-1', { server_id: 'srv-9' })), [0, 1])
    assert.deepEqual(counts(9, ...grants, used(6, 'd-1')), [0, 1])
    assert.deepEqual(counts(9, ...grants, used(4, 'd-1')), [1, 0])
  })

  it('as a renewal of itself is two leases, the first superseded, and no violation', () => {
    const events = [
      granted(0, { max_invocations: 1 }),
      used(1, 'd-1'),
      granted(5, { supersedes: 'l-1' }),
      used(6, 'd-2'),
    ]
    assert.deepEqual(violations(...events), [])
    assert.deepEqual([statuses(4, ...events), statuses(6, ...events)], [['exhausted'], ['superseded', 'active']])
    assert.deepEqual(counts(6, ...events), [1, 1])
  })

  it('while it supersedes another id is reused all the same', () => {
    assert.deepEqual(violations(granted(0), granted(5, { supersedes: 'l-0' })), ['lease-id-reused 2'])
  })
})

describe('a renewal', () => {
  it('ends the lease that fits it, of several of the id', () => {
    const events = [granted(0), granted(0, { principal_hash: bob }), granted(5, { lease_id: 'l-2', supersedes: 'l-1' })]
    assert.deepEqual(statuses(5, ...events), ['superseded', 'active'])
  })

  it('of other terms ends the newest, and is a violation', () => {
    const renewal = granted(5, { lease_id: 'l-2', supersedes: 'l-1', principal_hash: bob })
    assert.deepEqual(
      [statuses(5, granted(0), renewal), violations(granted(0), renewal)],
      [['superseded'], ['renewal-does-not-fit 2']],
    )
  })
})

describe('a revocation', () => {
  it('ends every lease of the id that had been granted by then', () => {
    const events = [granted(0), granted(0, { principal_hash: bob }), granted(9), revoked(5)]
    assert.deepEqual(statuses(9, ...events), ['revoked', 'revoked', 'active'])
  })

  it('that names a principal ends the leases of that principal', () => {
    const events = [granted(0), granted(0, { principal_hash: bob }), revoked(5, { principal_hash: alice })]
    assert.deepEqual(
      [statuses(4, ...events), statuses(5, ...events)],
      [
        ['active', 'active'],
        ['revoked', 'active'],
      ],
    )
  })

  it('that names nobody who holds one ends the newest, and is a violation', () => {
    const events = [granted(0), revoked(5, { principal_hash: bob })]
    assert.deepEqual([statuses(5, ...events), violations(...events)], [['revoked'], ['revocation-does-not-fit 2']])
  })
})

describe('an alteration', () => {
  const altered = (n: number, data: JsonObject = {}) => granted(n, { amends: true, ...data })

  it('changes the terms from its time on; identity and count go on', () => {
    const events = [
      granted(0, { max_invocations: 1 }),
      used(1, 'd-1'),
      altered(5, { max_invocations: 3, expires_at: minute(90) }),
    ]
    assert.deepEqual(
      [statuses(4, ...events), statuses(5, ...events), statuses(60, ...events)],
      [['exhausted'], ['active'], ['active']],
    )
    const [found] = at(6, ...events)
    assert.deepEqual([found?.lease.grantedSeq, found?.lease.maxInvocations, found?.invocationCount], [1, 3, 1])
    assert.deepEqual(violations(...events), ['lease-altered 3'])
  })

  it('may take a limit away, or a date', () => {
    const events = [granted(0, { max_invocations: 0 }), altered(5)]
    assert.deepEqual(statuses(5, ...events), ['active'])
    assert.deepEqual(statuses(5, granted(0), altered(5, { expires_at: 'never' })), ['expired'])
  })

  it('that comes in late holds from its own time', () => {
    const events = [granted(0), altered(5, { granted_tools: ['a'] }), altered(3, { granted_tools: ['b'] })]
    assert.deepEqual(
      [2, 3, 4, 5].map(n => at(n, ...events)[0]?.lease.tools),
      [['write'], ['b'], ['b'], ['a']],
    )
  })

  it('at the same moment as another holds when it stands later', () => {
    const events = [granted(0), altered(5, { granted_tools: ['a'] }), altered(5, { granted_tools: ['b'] })]
    assert.deepEqual(
      at(5, ...events).map(({ lease }) => lease.tools),
      [['b']],
    )
  })

  it('is of the lease that fits it', () => {
    const events = [granted(0), granted(0, { principal_hash: bob }), altered(5, { granted_tools: ['x'] })]
    assert.deepEqual(
      at(5, ...events).map(({ lease }) => lease.tools),
      [['x'], ['write']],
    )
  })

  it('of a lease that nobody granted makes one, and is a violation', () => {
    assert.deepEqual(violations(altered(5)), ['alteration-of-unknown-lease 1'])
    assert.deepEqual(statuses(5, altered(5)), ['active'])
  })
})

describe('the present', () => {
  it('counts all that is known, however it is dated, and asks the clock for expiry alone', () => {
    const [lease] = familyAfter([granted(30, { max_invocations: 1 }), used(40, 'd-1')]).leases
    assert.ok(lease)
    assert.equal(leaseAt(lease, minuteMs(10)), undefined)
    assert.deepEqual(
      [leaseNow(lease, minuteMs(10)).status, leaseNow(lease, minuteMs(10)).invocationCount],
      ['exhausted', 1],
    )
    assert.equal(leaseNow(lease, minuteMs(60)).status, 'expired')
  })
})
