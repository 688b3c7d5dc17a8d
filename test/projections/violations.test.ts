import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../src/aep/json.ts'
import { strayViolations } from '../../src/projections/lease-at.ts'
import { type LeaseAt, leaseAt, leaseNow } from '../../src/projections/leases.ts'
import { alice, bob, decided, familyAfter, granted, minuteMs, revoked, type Told, used } from './history.ts'

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
const strays = (...events: readonly Told[]) =>
  strayViolations(familyAfter(events)).violations.map(({ code, seq }) => `${code} ${seq}`)

describe('a violation', () => {
  it('is a use beyond the last', () => {
    const events = [granted(0, { max_invocations: 1 }), used(1, 'd-1'), used(2, 'd-2'), used(3, 'd-3')]
    assert.deepEqual(violations(...events), ['over-use 3', 'over-use 4'])
    assert.deepEqual([counts(5, ...events), statuses(5, ...events)], [[3], ['exhausted']])
  })

  it('is a use at or after expiry, by the time of the event', () => {
    assert.deepEqual(violations(granted(0), used(59.999, 'd-1'), used(60, 'd-2'), used(61, 'd-3')), [
      'use-after-expiry 3',
      'use-after-expiry 4',
    ])
  })

  it('is a use after revocation', () => {
    assert.deepEqual(violations(granted(0), revoked(5), used(5, 'd-1'), used(4, 'd-2')), ['use-after-revocation 3'])
  })

  it('is a use after revocation too when the revocation comes in late, and says what showed it', () => {
    const events = [granted(0), used(4, 'd-1'), used(5, 'd-2'), used(6, 'd-3'), revoked(5)]
    assert.deepEqual(violations(...events), ['use-after-revocation 3', 'use-after-revocation 4'])
    const [lease] = familyAfter(events).leases
    assert.ok(lease)
    assert.match(leaseNow(lease, 0).lease.violations[0]?.detail ?? '', /shown by the entry at seq 5/)
    assert.deepEqual(violations(...events, revoked(4)), [
      'use-after-revocation 3',
      'use-after-revocation 4',
      'use-after-revocation 2',
    ])
    assert.deepEqual(violations(...events, revoked(6)), ['use-after-revocation 3', 'use-after-revocation 4'])
  })

  it('is a use after the earliest of several revocations', () => {
    assert.deepEqual(violations(granted(0), revoked(5), revoked(9), used(6, 'd-1')), ['use-after-revocation 4'])
  })

  it('is a use after another lease took its place', () => {
    const renewal = granted(5, { lease_id: 'l-2', supersedes: 'l-1' })
    assert.deepEqual(violations(granted(0), renewal, used(4, 'd-1'), used(5, 'd-2')), ['use-after-supersede 4'])
  })

  it('is a use before the grant', () => {
    assert.deepEqual(violations(granted(5), used(4, 'd-1'), used(5, 'd-2')), ['use-before-grant 2'])
  })

  const misfits = [
    ['principal', { principal_hash: bob }],
    ['server', { server_id: 'srv-2' }],
    ['tool', { tool_name: 'delete' }],
    ['principal, server, tool', { principal_hash: bob, server_id: 'srv-2', tool_name: 'delete' }],
  ] as const
  for (const [what, data] of misfits) {
    it(`is a use that does not fit by ${what}: it counts, and says what did not fit`, () => {
      const events = [granted(0), used(1, 'd-1', data)]
      assert.deepEqual([violations(...events), counts(1, ...events)], [['use-does-not-fit 2'], [1]])
      const [found] = at(1, ...events)
      assert.equal(found?.lease.violations[0]?.detail, `used outside its terms: ${what}`)
    })
  }

  it('is no use that fits, nor one that leaves out what it was on', () => {
    const fitting = { principal_hash: alice, server_id: 'srv-1', tool_name: 'write' }
    assert.deepEqual(violations(granted(0), used(1, 'd-1', fitting), used(1, 'd-2')), [])
  })

  it('is a use of a lease that nobody granted, and belongs to no lease', () => {
    assert.deepEqual(strays(used(1, 'd-1'), used(1, 'd-1'), used(2, 'd-2')), [
      'use-of-unknown-lease 1',
      'use-of-unknown-lease 3',
    ])
    assert.deepEqual(strays(revoked(1)), ['revocation-of-unknown-lease 1'])
    assert.deepEqual(strays(granted(1, { lease_id: 'l-2', supersedes: 'l-1' })), ['renewal-of-unknown-lease 1'])
  })

  it('is a decision that names a lease it does not fit, once a decision, whatever was decided', () => {
    const outside: JsonObject = {
      target: { server_id: 'srv-1', tool_name: 'delete' },
      principal: { principal_hash: bob },
    }
    const deny = decided(1, 'd-1', { ...outside, decision: 'deny' })
    const events = [granted(0), deny, deny, decided(2, 'd-2', outside), decided(3, 'd-3')]
    assert.deepEqual(violations(...events), ['decision-does-not-fit 2', 'decision-does-not-fit 4'])
    const [found] = at(5, ...events)
    assert.deepEqual(
      found?.lease.violations.map(({ detail }) => detail),
      [
        'cited by a decision outside its terms: principal, tool; decided deny',
        'cited by a decision outside its terms: principal, tool; decided allow',
      ],
    )
    assert.deepEqual(strays(decided(1, 'd-1'), decided(1, 'd-1')), ['decision-cites-unknown-lease 1'])
  })

  it('is a decision inside a record that names a lease it does not fit', () => {
    const action = { action_id: 'd-1', tool_name: 'delete', scope_lease_id: 'l-1', timestamp_ms: minuteMs(1) }
    const record: Told = { at: 9, type: 'aep.record', data: { record: JSON.stringify({ actions: [action] }) } }
    assert.deepEqual(violations(granted(0), record), ['decision-does-not-fit 2'])
    assert.deepEqual(
      at(1, granted(0), record)[0]?.lease.violations.map(({ atMs }) => atMs),
      [minuteMs(1)],
    )
  })

  it('is known to a past moment only if it was by then', () => {
    const events = [granted(0, { max_invocations: 1 }), used(1, 'd-1'), used(7, 'd-2')]
    assert.deepEqual(
      [6, 7].map(n => at(n, ...events)[0]?.lease.violations.length),
      [0, 1],
    )
  })
})
