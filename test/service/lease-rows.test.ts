import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { memoryViews } from '../../src/log/memory-views.ts'
import { leaseAt, leaseNow } from '../../src/projections/leases.ts'
import type { ViewStore } from '../../src/projections/store.ts'
import { LeaseRows } from '../../src/service/lease-rows.ts'
import { StoredLeases } from '../../src/service/lease-store.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { StateView } from '../../src/service/state-view.ts'
import {
  alice,
  bob,
  bytesOf,
  decided,
  fold,
  granted,
  minuteMs,
  revoked,
  type Told,
  told,
  used,
} from '../projections/history.ts'

const ledger = 'acme/prod'

async function rowsAfter(...events: readonly Told[]): Promise<LeaseRows> {
  const store = memoryViews()
  const rows = new LeaseRows(store)
  for (const { seq, event } of told(...events)) {
    const entry = { seq, bytes: bytesOf(event, seq), signature: new Uint8Array(64) }
    const { changes, committed } = rows.step(ledger, [entry])
    await store.commit(stateView, ledger, seq, changes)
    committed(seq)
  }
  return rows
}
const listed = (rows: LeaseRows, filter = {}) =>
  rows.list(ledger, filter, minuteMs(9), 100).items.map(({ lease }) => [lease.grantedSeq, lease.principal])

describe('the rows of leases', () => {
  it('list an altered lease once, under whoever holds it now', async () => {
    const rows = await rowsAfter(granted(0), used(1, 'd-1'), granted(2, { amends: true, principal_hash: bob }))
    assert.deepEqual(listed(rows), [[1, bob]])
    assert.deepEqual(listed(rows, { principal: bob }), [[1, bob]])
    assert.deepEqual(listed(rows, { principal: alice }), [])
  })

  it('list a lease that is first heard of when it is altered, though its id was used before', async () => {
    const rows = await rowsAfter(used(1, 'd-1'), granted(2, { amends: true }))
    assert.deepEqual(listed(rows), [[2, alice]])
    assert.deepEqual(listed(rows, { principal: alice }), [[2, alice]])
  })

  it('list both leases of an id that was granted twice', async () => {
    const rows = await rowsAfter(granted(0), granted(1, { principal_hash: bob }))
    assert.deepEqual(listed(rows), [
      [1, alice],
      [2, bob],
    ])
    assert.deepEqual(listed(rows, { lease: 'l-1' }), [
      [1, alice],
      [2, bob],
    ])
    assert.deepEqual(listed(rows, { principal: bob }), [[2, bob]])
  })
})

const storedOf = (events: readonly Told[]): StoredEntry[] =>
  told(...events).map(({ event, seq }) => ({ seq, bytes: bytesOf(event, seq), signature: new Uint8Array(64) }))

/** The store after the entries, in steps of `batch`; with `forgetful` each by a view that has just been opened. */
async function viewAfter(entries: readonly StoredEntry[], batch: number, forgetful = false): Promise<ViewStore> {
  const store = memoryViews()
  let view = await StateView.open(store)
  for (let from = 0; from < entries.length; from += batch) {
    if (forgetful) view = await StateView.open(store)
    await view.take(ledger, entries.slice(from, from + batch))
  }
  return store
}

/** Uses, citations and ends of one id by the hundred, so that every list of it has full pages. */
const busy = fc
  .array(fc.tuple(fc.nat(99), fc.nat(60), fc.nat(400)), { minLength: 200, maxLength: 500, size: 'max' })
  .map(told =>
    told.map(([what, at, n]): Told => {
      if (what === 0) return granted(at, { principal_hash: n % 2 === 0 ? alice : bob, max_invocations: n })
      if (what === 1) return granted(at, { amends: true, max_invocations: n })
      if (what === 2) return revoked(60 - at, n % 2 === 0 ? {} : { principal_hash: bob })
      if (what === 3) return granted(at, { lease_id: 'l-2', supersedes: 'l-1' })
      if (what < 20) return decided(at, `d-${n}`, { target: { server_id: 'elsewhere', tool_name: 'write' } })
      return used(at, n % 50 === 0 ? `${'long'.repeat(30)}${n}` : `d-${n}`, n % 3 === 0 ? { tool_name: 'delete' } : {})
    }),
  )
  .map(events => events.flatMap((event, n) => (n === 150 ? [granted(0), event] : [event])))

describe('an id that nobody granted', () => {
  const events = [used(1, 'd-1'), revoked(5), granted(6)]
  const strays = (rows: LeaseRows, atMs: number, now: boolean, lease = 'l-1') =>
    rows.list(ledger, { lease }, atMs, 10, -1, now).strays

  it('is told of with what was done under it, up to the moment asked about', async () => {
    const rows = await rowsAfter(...events)
    const found = strays(rows, minuteMs(2), true)
    assert.deepEqual(
      found?.violations.map(({ code, seq }) => `${code} ${seq}`),
      ['use-of-unknown-lease 1', 'revocation-of-unknown-lease 2'],
    )
    assert.equal(found.violationCount, 2)
    assert.equal(strays(rows, minuteMs(2), false)?.violationCount, 1)
    assert.equal(strays(rows, minuteMs(0), false)?.violationCount, 0)
    assert.equal(strays(rows, minuteMs(2), true, 'l-2'), undefined)
    assert.equal(rows.list(ledger, {}, minuteMs(2), 10).strays, undefined)
  })

  it('is told of with the newest, and how many there are', async () => {
    const found = strays(await rowsAfter(...Array.from({ length: 300 }, (_, n) => used(1, `d-${n}`))), 0, true)
    assert.equal(found?.violationCount, 300)
    assert.deepEqual(
      found.violations.map(({ seq }) => seq),
      Array.from({ length: 20 }, (_, n) => 281 + n),
    )
  })
})

describe('the rows of a lease in long use', () => {
  it('are the same, to the byte, however the log was cut into steps and whatever was remembered between them', async () => {
    await fc.assert(
      fc.asyncProperty(busy, fc.integer({ min: 1, max: 300 }), async (events, batch) => {
        const entries = storedOf(events)
        const dump = (await viewAfter(entries, entries.length)).dump(stateView, ledger)
        assert.equal((await viewAfter(entries, batch)).dump(stateView, ledger), dump)
        assert.equal((await viewAfter(entries, batch, true)).dump(stateView, ledger), dump)
      }),
      { numRuns: 20 },
    )
  })

  it('say what the fold in memory says, of any moment and as of any seq', async () => {
    await fc.assert(
      fc.asyncProperty(busy, fc.nat(60), fc.nat(500), async (events, at, seqMax) => {
        const stored = new StoredLeases(await viewAfter(storedOf(events), 100), ledger)
        for (const [granted, lease] of fold(told(...events)).leases) {
          const kept = stored.lease(granted)
          assert.ok(kept)
          const pages = { pages: stored }
          assert.deepEqual(leaseAt(kept, minuteMs(at), pages), leaseAt(lease, minuteMs(at)))
          assert.deepEqual(leaseAt(kept, minuteMs(at), { seqMax, ...pages }), leaseAt(lease, minuteMs(at), { seqMax }))
          assert.deepEqual(leaseNow(kept, minuteMs(at), pages), leaseNow(lease, minuteMs(at)))
        }
      }),
      { numRuns: 20 },
    )
  })

  it('cost a step what its entries touch: one more use writes no more after 20,000 than after 300', async () => {
    const store = memoryViews()
    const rows = new LeaseRows(store)
    // Ids of a length that nobody would keep whole, and every use a violation.
    const uses = Array.from({ length: 20_000 }, (_, n) => used(1, `${'x'.repeat(900)}${n}`, { tool_name: 'delete' }))
    const entries = storedOf([granted(0, { max_invocations: 1 }), ...uses])
    const written: number[] = []
    const put = async (from: number, to: number): Promise<void> => {
      const { changes, committed } = rows.step(ledger, entries.slice(from, to))
      await store.commit(stateView, ledger, to, changes)
      committed(to)
      written.push(changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0))
    }
    await put(0, 300)
    await put(300, 301)
    await put(301, 20_000)
    await put(20_000, 20_001)
    assert.ok((written[3] ?? 0) < 20_000, `${written[3]} bytes`)
    assert.ok((written[3] ?? 0) < 2 * (written[1] ?? 0), `${written[1]} bytes, then ${written[3]}`)
    const [found] = rows.list(ledger, {}, minuteMs(2), 10, -1, true).items
    assert.equal(found?.invocationCount, 20_000)
    assert.equal(found.lease.violationCount, 2 * 20_000 - 1)
    assert.deepEqual(
      found.lease.violations.slice(-2).map(({ code, seq }) => `${code} ${seq}`),
      ['use-does-not-fit 20001', 'over-use 20001'],
    )
    assert.equal(found.lease.violations.length, 20)
  })

  it('count a decision once, however long ago it was counted', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => (n % 2 === 0 ? `d-${n}` : `${'x'.repeat(200)}${n}`))
    const events = [granted(0), ...[...ids, ...ids].map(id => used(1, id))]
    const rows = new LeaseRows(await viewAfter(storedOf(events), 7))
    assert.equal(rows.list(ledger, {}, minuteMs(2), 1).items[0]?.invocationCount, 300)
  })

  it('are read once a step, however many leases one id has', async () => {
    const store = memoryViews()
    const rows = new LeaseRows(store)
    // More than is remembered between steps.
    const granted_tools = Array.from({ length: 40 }, (_, n) => `${'x'.repeat(1000)}${n}`)
    const grants = Array.from({ length: 300 }, () => granted(0, { granted_tools }))
    const entries = storedOf([...grants, ...Array.from({ length: 20 }, () => used(1, undefined, { tool_name: 'y' }))])
    await store.commit(stateView, ledger, 300, rows.step(ledger, entries.slice(0, 300)).changes)
    let reads = 0
    const counting: ViewStore = {
      ...store,
      position: (...of) => store.position(...of),
      get: (...of) => {
        reads += 1
        return store.get(...of)
      },
    }
    new LeaseRows(counting).step(ledger, entries.slice(300))
    assert.ok(reads < 500, `${reads} reads`)
  })

  it('are believed once they are committed, and not before', async () => {
    const store = memoryViews()
    const rows = new LeaseRows(store)
    const entries = storedOf([granted(0), used(1, 'd-1'), used(1, 'd-2')])
    const put = async (from: number, to: number): Promise<void> => {
      const { changes, committed } = rows.step(ledger, entries.slice(from, to))
      await store.commit(stateView, ledger, to, changes)
      committed(to)
    }
    await put(0, 1)
    rows.step(ledger, entries.slice(1, 3))
    assert.equal(rows.list(ledger, {}, minuteMs(2), 1).items[0]?.invocationCount, 0)
    await put(1, 3)
    assert.equal(rows.list(ledger, {}, minuteMs(2), 1).items[0]?.invocationCount, 2)
    await store.reset(stateView)
    await put(0, 1)
    assert.equal(rows.list(ledger, {}, minuteMs(2), 1).items[0]?.invocationCount, 0)
  })
})
