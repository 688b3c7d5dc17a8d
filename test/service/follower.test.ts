import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LeafHash, Seq, StoredEntry } from '../../src/ledger/entry.ts'
import type { LogReader } from '../../src/log/port.ts'
import { Follower, type View } from '../../src/service/follower.ts'
import { healthOf } from '../../src/service/health.ts'

/** A log of one ledger with `length` entries, and a view that remembers what it took. */
function rig(restMs = 0): {
  log: LogReader
  view: View
  taken: number[][]
  grow(by: number): void
  fail(times: number): void
  follower: Follower
  errors: unknown[]
} {
  let length = 0
  let failures = 0
  const taken: number[][] = []
  const errors: unknown[] = []
  const log = {
    ledgers: async () => ['a'],
    head: async () => ({ seq: length - 1 }),
    read: (_: string, from: number, limit: number) => entriesTo(length, from, limit),
  } as unknown as LogReader
  const view: View = {
    name: 'test',
    position: async () => taken.flat().at(-1) ?? -1,
    take: async (_, entries) => {
      if (failures > 0) {
        failures -= 1
        throw new Error('not now')
      }
      taken.push(entries.map(entry => entry.seq))
    },
  }
  const follower = new Follower({ log, view, batch: 10, restMs, onError: error => errors.push(error) })
  return { log, view, taken, grow: by => (length += by), fail: times => (failures = times), follower, errors }
}

const entriesTo = async (length: number, from: number, limit: number): Promise<StoredEntry[]> =>
  Array.from({ length: Math.max(0, Math.min(limit, length - from)) }, (_, n) => ({
    seq: (from + n) as Seq,
    bytes: new Uint8Array(),
    signature: new Uint8Array(),
  }))

const counted = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe('a follower', () => {
  it('brings its view up to the head, in order and in batches, and says when it is there', async () => {
    const { taken, grow, follower } = rig()
    grow(25)
    follower.start()
    assert.ok(await follower.reached('a', 24, 5_000))
    assert.deepEqual(taken.flat(), counted(25))
    assert.deepEqual(
      taken.map(batch => batch.length),
      [10, 10, 5],
    )
    await follower.stop()
  })

  it('rests after a step only when less than another is there', async () => {
    const { taken, grow, follower } = rig(60_000)
    grow(35)
    follower.start()
    for (let tries = 0; taken.length < 3 && tries < 200; tries++) await sleep(5)
    await sleep(50)
    assert.deepEqual(
      taken.map(batch => batch.length),
      [10, 10, 10],
    )
    await follower.stop()
  })

  it('goes on at once when it is woken', async () => {
    const { taken, grow, follower } = rig()
    follower.start()
    grow(1)
    follower.wake()
    assert.ok(await follower.reached('a', 0, 500))
    grow(3)
    follower.wake()
    assert.ok(await follower.reached('a', 3, 500))
    assert.deepEqual(taken.flat(), counted(4))
    await follower.stop()
  })

  it('says no when the view is not there in time, and does not claim what it does not have', async () => {
    const { grow, follower } = rig()
    grow(2)
    follower.start()
    assert.equal(await follower.reached('a', 2, 50), false)
    assert.equal(follower.position('a'), 1)
    await follower.stop()
  })

  it('tries a failing view again and skips nothing', async () => {
    const { taken, grow, fail, follower, errors } = rig()
    grow(15)
    fail(2)
    follower.start()
    assert.ok(await follower.reached('a', 14, 5_000))
    assert.equal(errors.length, 2)
    assert.deepEqual(taken.flat(), counted(15))
    await follower.stop()
  })

  it('rests between steps, unless somebody waits', async () => {
    const { grow, follower } = rig(60_000)
    grow(5)
    follower.start()
    assert.ok(await follower.reached('a', 4, 1_000))
    grow(5)
    follower.wake()
    assert.ok(await follower.reached('a', 9, 1_000))
    await follower.stop()
  })

  it('gives way while something else comes first, but not to the end of time, nor when a reader waits', async () => {
    const { log, view, taken, grow } = rig()
    const follower = new Follower({ log, view, batch: 10, restMs: 0, isBusy: () => true, onError: assert.fail })
    grow(5)
    follower.start()
    await new Promise(resolve => setTimeout(resolve, 200))
    assert.deepEqual(taken, [])
    assert.ok(await follower.reached('a', 4, 1_000))
    await follower.stop()
  })

  it('answers those who wait when it is stopped', async () => {
    const { follower } = rig()
    follower.start()
    const waiting = follower.reached('a', 5, 60_000)
    await follower.stop()
    assert.equal(await waiting, false)
  })

  it('knows nothing any more of a ledger that another process follows now', async () => {
    const { log } = rig()
    let ledgers = ['a', 'b']
    const follower = new Follower({
      log: { ...log, ledgers: async () => ledgers, read: (_, from, limit) => entriesTo(50, from, limit) },
      view: {
        name: 'test',
        position: async ledger => (ledger === 'a' ? -1 : 49),
        take: () => Promise.reject(new Error('a row of a is damaged')),
      },
      batch: 10,
      restMs: 0,
      onError: () => {},
    })
    assert.equal(follower.follows('b'), false)
    follower.start()
    assert.ok(await follower.reached('b', 49, 1_000))
    assert.deepEqual([follower.follows('a'), follower.follows('c')], [true, false])
    assert.match(follower.failing ?? '', /^a: a row of a is damaged/)
    ledgers = ['b']
    for (let tries = 0; follower.follows('a') && tries < 500; tries++) {
      follower.wake()
      await sleep(10)
    }
    assert.equal(follower.failing, undefined)
    assert.deepEqual([follower.follows('a'), follower.follows('b')], [false, true])
    await follower.stop()
  })

  it('goes on with the other ledgers while one fails, says which one does, and takes it up again', async () => {
    const { log } = rig()
    const positions = new Map<string, number>()
    let broken = true
    const errors: unknown[] = []
    const follower = new Follower({
      log: { ...log, ledgers: async () => ['a', 'b', 'c'], read: (_, from, limit) => entriesTo(50, from, limit) },
      view: {
        name: 'test',
        position: async ledger => positions.get(ledger) ?? -1,
        take: async (ledger, entries) => {
          if (ledger === 'a' && broken) throw new Error('a row of a is damaged')
          positions.set(ledger, entries.at(-1)?.seq ?? -1)
        },
      },
      batch: 10,
      restMs: 0,
      onError: error => errors.push(error),
    })
    follower.start()
    assert.ok(await follower.reached('b', 49, 1_000))
    assert.ok(await follower.reached('c', 49, 1_000))
    assert.equal(await follower.reached('a', 0, 300), false)
    assert.ok(errors.length >= 1 && errors.length <= 4, String(errors.length))
    const sequencer = {
      trouble: undefined,
      queued: 0,
      ledgers: () => ['a', 'b', 'c'],
      head: () => ({ seq: 49 as Seq, leafHash: '' as LeafHash, recordedAt: '' }),
    }
    const leases = () => healthOf({ placing: sequencer, search: { ready: true, detail: '' }, state: follower })[1]
    assert.deepEqual(leases(), {
      name: 'leases',
      ready: false,
      detail: '50 entries behind: a: a row of a is damaged',
      essential: false,
    })
    broken = false
    assert.ok(await follower.reached('a', 49, 5_000))
    await follower.stop()
    assert.deepEqual([leases()?.ready, leases()?.detail], [true, '0 entries behind'])
  })
})
