import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  append,
  itemsOf,
  lastOf,
  lengthOf,
  newestFirst,
  type Pages,
  pageLength,
  settle,
} from '../../src/projections/pages.ts'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const listOf = (count: number): Pages<number> | undefined =>
  upTo(count).reduce<Pages<number> | undefined>((pages, n) => append(pages, n), undefined)

/** The same list, with what is full taken out whenever `isTime` says so. */
function keptApart(count: number, isTime: (n: number) => boolean) {
  const kept = new Map<number, readonly number[]>()
  let pages: Pages<number> | undefined
  for (const item of upTo(count)) {
    pages = append(pages, item)
    if (!isTime(item)) continue
    const settled = settle(pages)
    for (const [n, page] of settled.taken) {
      assert.ok(!kept.has(n), 'a page is taken out once')
      kept.set(n, page)
    }
    pages = settled.pages
  }
  return { pages, read: (n: number) => kept.get(n) ?? assert.fail(`page ${n} is not there`) }
}

describe('a paged list', () => {
  for (const count of [0, 1, 63, 64, 65, 127, 128, 129, 2000]) {
    it(`of ${count} items has them all, in order and backwards`, () => {
      const pages = listOf(count)
      assert.equal(lengthOf(pages), count)
      assert.equal(lastOf(pages), upTo(count).at(-1))
      assert.deepEqual([...itemsOf(pages)], upTo(count))
      assert.deepEqual([...newestFirst(pages)], upTo(count).reverse())
      if (pages !== undefined) assert.deepEqual(JSON.parse(JSON.stringify(pages)), pages)
    })

    it(`of ${count} items is the same wherever its full pages are`, () => {
      for (const every of [1, 3, 64, 100, 700]) {
        const { pages, read } = keptApart(count, n => n % every === 0)
        assert.equal(lengthOf(pages), count)
        assert.deepEqual([...itemsOf(pages, read)], upTo(count))
        assert.deepEqual([...newestFirst(pages, read)], upTo(count).reverse())
        const whole = listOf(count)
        assert.deepEqual(pages && settle(pages).pages, whole && settle(whole).pages)
      }
    })
  }

  it('keeps an open page of its own, never empty, that is all that an addition copies', () => {
    const { pages } = keptApart(1000, () => true)
    assert.deepEqual(Object.keys(pages ?? {}), ['stored', 'tail'])
    assert.equal(pages?.tail.length, 1000 % pageLength)
    assert.equal(keptApart(128, () => true).pages?.tail.length, pageLength)
  })

  it('may have pages of one item', () => {
    const pages = upTo(3).reduce<Pages<number> | undefined>((list, n) => append(list, n, 1), undefined)
    assert.deepEqual(pages, { full: [[0], [1]], tail: [2] })
  })

  it('says so when a page is asked for that nobody has', () => {
    assert.throws(() => [...itemsOf({ stored: 1, tail: [0] })], /kept elsewhere/)
  })

  it('leaves the list that it was made from as it was', () => {
    for (const count of [1, 64, 65, 300]) {
      const before = listOf(count)
      const text = JSON.stringify(before)
      append(append(before, -1), -2)
      if (before !== undefined) settle(before)
      assert.equal(JSON.stringify(before), text)
    }
  })
})
