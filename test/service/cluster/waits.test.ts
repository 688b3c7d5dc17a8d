import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Waits } from '../../../src/service/cluster/waits.ts'

describe('what waits of the ledgers of a partition', () => {
  it('is told apart by ledger, and ends with an answer', t => {
    let nowMs = 1_000
    t.mock.method(performance, 'now', () => nowMs)
    const waits = new Waits()
    waits.begin('a')
    nowMs += 4_000
    waits.begin('b')
    waits.begin('b')
    nowMs += 4_000
    assert.deepEqual([waits.stalledMs('a'), waits.stalledMs('b'), waits.stalledMs('c')], [8_000, 4_000, 0])
    assert.deepEqual(waits.longest(), { ledger: 'a', ms: 8_000 })
    // Something came of it: the other request waits since then.
    waits.answered('b')
    nowMs += 1_000
    assert.equal(waits.stalledMs('b'), 1_000)
    waits.answered('a')
    waits.answered('b')
    assert.equal(waits.longest(), undefined)
  })

  it('is remembered when nobody waits any more, until intake is placed beyond it', t => {
    let nowMs = 1_000
    t.mock.method(performance, 'now', () => nowMs)
    const waits = new Waits()
    waits.begin('a')
    waits.sent('a', 17)
    nowMs += 30_000
    waits.givenUp('a')
    // It is told of, and does not keep the next request from trying.
    assert.deepEqual(waits.longest(), { ledger: 'a', ms: 30_000 })
    assert.equal(waits.stalledMs('a'), 0)
    waits.passed(17)
    assert.notEqual(waits.longest(), undefined)
    waits.passed(18)
    assert.equal(waits.longest(), undefined)
  })

  it('forgets a request that never came to stand in intake', () => {
    const waits = new Waits()
    waits.begin('a')
    waits.givenUp('a')
    assert.equal(waits.longest(), undefined)
  })
})
