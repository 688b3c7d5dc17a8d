import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../src/base/bytes.ts'
import type { EmbeddedLog } from '../../src/log/embedded/log.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { memoryViews } from '../../src/log/memory-views.ts'
import { type ViewChange, type ViewStore, viewKeyBytesMax } from '../../src/projections/store.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'

const put = (key: string, text = key): ViewChange => ({ key, value: utf8(text) })
const drop = (key: string): ViewChange => ({ key, value: undefined })
const everything = { limit: Number.POSITIVE_INFINITY }
const keysOf = (rows: Iterable<[string, Uint8Array]>): string[] => [...rows].map(([key]) => key)

let log: EmbeddedLog
before(async () => {
  log = await openEmbedded(newFolder())
})
after(() => log.close())

for (const [name, make] of [
  ['memory', memoryViews],
  ['embedded', () => log.views],
] as const) {
  describe(`the ${name} view store`, () => {
    let views: ViewStore
    before(() => {
      views = make()
    })

    it('begins with nothing', () => {
      assert.equal(views.position('leases', 'default'), -1)
      assert.equal(views.get('leases', 'default', 'a'), undefined)
      assert.deepEqual([...views.range('leases', 'default', everything)], [])
    })
    it('keeps rows and position together, by view and ledger', async () => {
      await views.commit('leases', 'default', 4, [
        put('a', 'one'),
        put('b'),
        put(''),
        { key: 'e', value: new Uint8Array(0) },
      ])
      await views.commit('leases', 'other', 7, [put('a', 'two')])
      await views.commit('keys', 'default', 1, [put('a', 'three')])
      assert.equal(views.position('leases', 'default'), 4)
      assert.deepEqual(views.get('leases', 'default', 'a'), utf8('one'))
      assert.deepEqual(views.get('leases', 'other', 'a'), utf8('two'))
      assert.deepEqual(views.get('keys', 'default', 'a'), utf8('three'))
      assert.deepEqual(views.get('leases', 'default', ''), utf8(''))
      assert.deepEqual(keysOf(views.range('leases', 'default', everything)), ['', 'a', 'b', 'e'])
      assert.deepEqual(views.get('leases', 'default', 'e'), new Uint8Array(0))
    })
    it('applies changes in order, and the position alone', async () => {
      await views.commit('leases', 'default', 5, [drop('b'), put('a', 'new'), drop('missing'), put('e'), drop('e')])
      assert.deepEqual(keysOf(views.range('leases', 'default', everything)), ['', 'a'])
      await views.commit('leases', 'default', 9, [])
      await views.commit('leases', 'default', 9, [put('a', 'again')])
      assert.equal(views.position('leases', 'default'), 9)
      assert.deepEqual(views.get('leases', 'default', 'a'), utf8('again'))
    })
    it('does nothing when it can’t do all', async () => {
      const before = views.dump('leases', 'default')
      const long = 'é'.repeat(viewKeyBytesMax / 2)
      for (const position of [8, -1, 10.5]) {
        await assert.rejects(views.commit('leases', 'default', position, [put('x')]), RangeError)
      }
      await assert.rejects(views.commit('leases', 'default', 10, [put('x'), put(`${long}x`)]), RangeError)
      await assert.rejects(views.commit('leases', 'default', 10, [put('\ud800')]), RangeError)
      assert.equal(views.dump('leases', 'default'), before)
      await views.commit('long', 'default', 0, [put(long)])
      assert.deepEqual(views.get('long', 'default', long), utf8(long))
      for (const key of [`${long}x`, '\ud800']) assert.throws(() => views.get('long', 'default', key), RangeError)
      assert.deepEqual(keysOf(views.range('long', 'default', { ...everything, after: long.slice(1) })), [long])
    })
    it('ranges over keys in the order of their bytes', async () => {
      const keys = ['b', 'a', 'a/2', 'a/10', 'a/', 'é', '\u{1F600}', '\uffee', 'B', '\0', 'a\0']
      await views.commit(
        'order',
        'default',
        0,
        keys.map(key => put(key)),
      )
      const sorted = ['\0', 'B', 'a', 'a\0', 'a/', 'a/10', 'a/2', 'b', 'é', '\uffee', '\u{1F600}']
      const range = (options: { after?: string; prefix?: string; limit?: number }): string[] =>
        keysOf(views.range('order', 'default', { ...everything, ...options }))
      assert.deepEqual(range({}), sorted)
      assert.deepEqual(range({ limit: 3 }), sorted.slice(0, 3))
      assert.deepEqual(range({ limit: 0 }), [])
      assert.deepEqual(range({ after: 'a/' }), sorted.slice(5))
      assert.deepEqual(range({ after: 'a/1' }), sorted.slice(5))
      assert.deepEqual(range({ prefix: 'a/' }), ['a/', 'a/10', 'a/2'])
      assert.deepEqual(range({ prefix: 'a', after: 'a/10', limit: 5 }), ['a/2'])
      assert.deepEqual(range({ prefix: 'a/', after: 'B' }), ['a/', 'a/10', 'a/2'])
      assert.deepEqual(range({ prefix: 'a/', after: 'b' }), [])
    })
    it('ranges over many rows, also while they change', async () => {
      const keys = Array.from({ length: 1000 }, (_, n) => `row-${String(n).padStart(4, '0')}`)
      await views.commit(
        'many',
        'default',
        0,
        keys.map(key => put(key)),
      )
      assert.deepEqual(keysOf(views.range('many', 'default', everything)), keys)
      assert.deepEqual(keysOf(views.range('many', 'default', { limit: 700 })), keys.slice(0, 700))
      const walk = views.range('many', 'default', everything)[Symbol.iterator]()
      for (let n = 0; n < 10; n++) walk.next()
      await views.commit('many', 'default', 1, [drop('row-0900')])
      for (let n = 10; n < 900; n++) assert.equal(walk.next().value?.[0], keys[n])
    })
    it('keeps values as they were given, and gives copies', async () => {
      const value = Buffer.from('kept')
      await views.commit('own', 'default', 0, [{ key: 'a', value }])
      value.fill(0)
      views.get('own', 'default', 'a')?.fill(0)
      for (const [, row] of views.range('own', 'default', everything)) row.fill(0)
      assert.deepEqual(views.get('own', 'default', 'a'), utf8('kept'))
    })
    it('forgets one ledger and keeps the others', async () => {
      const rows = Array.from({ length: 300 }, (_, n) => put(`row-${n}`))
      for (const ledger of ['one', 'two', 'three']) await views.commit('part', ledger, 5, rows)
      const [one, three] = [views.dump('part', 'one'), views.dump('part', 'three')]
      await views.reset('part', 'two')
      await views.reset('part', 'never')
      assert.equal(views.position('part', 'two'), -1)
      assert.deepEqual([...views.range('part', 'two', everything)], [])
      assert.deepEqual([views.dump('part', 'one'), views.dump('part', 'three')], [one, three])
      await views.commit('part', 'two', 0, [put('a')])
      assert.deepEqual(keysOf(views.range('part', 'two', everything)), ['a'])
    })
    it('drops what another version wrote, once', async () => {
      await views.adopt('shape', 1)
      await views.commit('shape', 'default', 3, [put('a')])
      await views.commit('shape', 'other', 3, [put('a')])
      await views.adopt('shape', 1)
      assert.equal(views.position('shape', 'default'), 3)
      await views.adopt('shape', 2)
      assert.equal(views.position('shape', 'default'), -1)
      assert.equal(views.position('shape', 'other'), -1)
      assert.equal(views.get('shape', 'default', 'a'), undefined)
      await views.commit('shape', 'default', 0, [put('b')])
      await views.adopt('shape', 1)
      assert.equal(views.position('shape', 'default'), -1)
    })
    it('forgets a view, and only that', async () => {
      await views.commit('one', 'default', 3, [put('a')])
      await views.commit('two', 'default', 3, [put('a')])
      await views.reset('one')
      await views.reset('never')
      assert.deepEqual([views.position('one', 'default'), views.position('two', 'default')], [-1, 3])
      await views.commit('one', 'default', 0, [])
    })
    it('takes commits of several views and ledgers at once', async () => {
      const names = ['at-once-1', 'at-once-2', 'at-once-3']
      const ledgers = ['l-1', 'l-2', 'l-3']
      await Promise.all(
        names.flatMap(view => ledgers.map(ledger => views.commit(view, ledger, 0, [put(`${view} ${ledger}`)]))),
      )
      for (const view of names) {
        for (const ledger of ledgers)
          assert.deepEqual(keysOf(views.range(view, ledger, everything)), [`${view} ${ledger}`])
      }
    })
    it('dumps content alone: equal for the same rows, whatever way they came', async () => {
      await views.commit('dump-1', 'default', 2, [put('a'), put('b'), put('c', 'old')])
      await views.commit('dump-1', 'default', 3, [drop('b'), put('c')])
      await views.commit('dump-2', 'default', 3, [put('c'), put('a')])
      assert.equal(views.dump('dump-1', 'default'), views.dump('dump-2', 'default'))
      const seen = new Set([views.dump('dump-1', 'default')])
      for (const [view, position, changes] of [
        ['other-position', 4, [put('a'), put('c')]],
        ['other-value', 3, [put('a'), put('c', 'd')]],
        ['moved-byte', 3, [put('ac', ''), put('c', 'c')]],
        ['more', 3, [put('a'), put('c'), put('')]],
      ] as const) {
        await views.commit(view, 'default', position, changes)
        assert.equal(seen.size, seen.add(views.dump(view, 'default')).size - 1, view)
      }
    })
  })
}

describe('view stores', () => {
  it('agree with each other on whatever is done', async () => {
    const key = fc.oneof(fc.constantFrom('a', 'a/', 'b', 'é', ''), fc.string({ maxLength: 3, unit: 'grapheme' }))
    const change = fc.record({ key, value: fc.option(fc.uint8Array({ maxLength: 5 }), { nil: undefined }) })
    const where = { view: fc.constantFrom('p', 'q'), ledger: fc.constantFrom('x', 'y') }
    const step = fc.oneof(
      { arbitrary: fc.record({ ...where, changes: fc.array(change, { maxLength: 8 }) }), weight: 8 },
      { arbitrary: fc.record({ ...where, version: fc.nat(1) }), weight: 1 },
    )
    const range = fc.record({ after: key, prefix: key, limit: fc.nat(4) }, { requiredKeys: ['limit'] })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.array(range, { maxLength: 4 }), async (steps, ranges) => {
        const stores = [memoryViews(), log.views]
        for (const store of stores) {
          for (const view of ['p', 'q']) {
            await store.adopt(view, 100)
            await store.reset(view)
          }
          for (const [position, one] of steps.entries()) {
            if ('version' in one) await store.adopt(one.view, one.version)
            else await store.commit(one.view, one.ledger, position, one.changes)
          }
        }
        const [all, other] = stores.map(store =>
          ['p', 'q'].flatMap(view =>
            ['x', 'y'].map(ledger => [
              store.dump(view, ledger),
              ranges.map(one => [...store.range(view, ledger, one)]),
            ]),
          ),
        )
        assert.deepEqual(other, all)
      }),
      { numRuns: 30 },
    )
  })
})

describe('the embedded view store', () => {
  it('is there when the log is opened again', async () => {
    const folder = newFolder()
    const first = await openEmbedded(folder)
    await first.append(batchAfter(undefined, { count: 5 }))
    await first.views.adopt('leases', 3)
    await first.views.commit('leases', 'default', 4, [put('a')])
    const dump = first.views.dump('leases', 'default')
    await first.close()
    const second = await openEmbedded(folder)
    await second.views.adopt('leases', 3)
    assert.equal(second.views.dump('leases', 'default'), dump)
    await second.close()
    assert.throws(() => second.views.position('leases', 'default'), /closed/)
  })
  it('drops a view that has folded more than the log has', async () => {
    const folder = newFolder()
    const first = await openEmbedded(folder)
    await first.append(batchAfter(undefined, { count: 5 }))
    await first.append(batchAfter(undefined, { ledger: 'other', count: 2 }))
    await first.views.commit('ahead', 'default', 4, [put('a')])
    await first.views.commit('ahead', 'other', 2, [put('a')])
    await first.views.commit('of-none', 'gone', 0, [put('a')])
    await first.views.commit('level', 'default', 4, [put('a')])
    await first.close()
    const second = await openEmbedded(folder)
    const positions = ['ahead', 'of-none', 'level'].map(view => second.views.position(view, 'default'))
    assert.deepEqual([...positions, second.views.position('of-none', 'gone')], [-1, -1, 4, -1])
    await second.close()
  })
  it('is nothing that the log depends on', async () => {
    const folder = newFolder()
    const first = await openEmbedded(folder)
    const batch = batchAfter(undefined)
    await first.append(batch)
    await first.close()
    writeFileSync(join(folder, 'views/data.mdb'), 'nonsense')
    const second = await openEmbedded(folder)
    assert.deepEqual(await second.head('default'), batch.head)
    await second.close()
  })
})
