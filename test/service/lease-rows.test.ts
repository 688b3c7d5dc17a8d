import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryViews } from '../../src/log/memory-views.ts'
import { LeaseRows } from '../../src/service/lease-rows.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { alice, bob, bytesOf, granted, minuteMs, type Told, told, used } from '../projections/history.ts'

const ledger = 'acme/prod'

async function rowsAfter(...events: readonly Told[]): Promise<LeaseRows> {
  const store = memoryViews()
  const rows = new LeaseRows(store)
  for (const { seq, event } of told(...events)) {
    const entry = { seq, bytes: bytesOf(event, seq), signature: new Uint8Array(64) }
    await store.commit(stateView, ledger, seq, rows.changes(ledger, [entry]))
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
