import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { append, include, itemsOf, lengthOf, noPages, type Pages, type TextSet } from '../../src/projections/pages.ts'

const listOf = (count: number): Pages<number> => {
  let pages: Pages<number> = noPages
  for (let n = 0; n < count; n++) pages = append(pages, n)
  return pages
}

describe('a paged list', () => {
  for (const count of [0, 1, 255, 256, 257, 511, 512, 513, 2000]) {
    it(`of ${count} items has them all, in order`, () => {
      const pages = listOf(count)
      assert.equal(lengthOf(pages), count)
      assert.deepEqual(
        [...itemsOf(pages)],
        Array.from({ length: count }, (_, n) => n),
      )
      assert.deepEqual(JSON.parse(JSON.stringify(pages)), pages)
    })
  }

  it('leaves the list that it was made from as it was', () => {
    for (const count of [0, 255, 256, 300]) {
      const before = listOf(count)
      const text = JSON.stringify(before)
      append(append(before, -1), -2)
      assert.equal(JSON.stringify(before), text)
    }
  })
})

describe('a set of texts', () => {
  const make = (texts: readonly string[]): TextSet =>
    texts.reduce<TextSet>((set, text) => include(set, text) ?? set, [])

  it('holds each text once, in order, whatever the order they came in', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 })), texts => {
        assert.deepEqual(make(texts).flat(), [...new Set(texts)].sort(byCodeUnits))
      }),
    )
  })

  it('says what it holds already, across many pages', () => {
    const texts = Array.from({ length: 3000 }, (_, n) => `d-${(n * 7919) % 3000}`)
    const set = make(texts)
    assert.ok(set.length > 10)
    assert.ok(set.every(page => page.length > 0 && page.length <= 256))
    assert.deepEqual(set.flat(), texts.toSorted(byCodeUnits))
    for (const text of texts) assert.equal(include(set, text), undefined)
    assert.notEqual(include(set, 'd-'), undefined)
    assert.notEqual(include(set, ''), undefined)
    assert.notEqual(include(set, 'zzz'), undefined)
  })

  it('leaves the set that it was made from as it was', () => {
    const set = make(Array.from({ length: 600 }, (_, n) => String(n)))
    const text = JSON.stringify(set)
    include(set, 'x')
    include(set, '3000')
    assert.equal(JSON.stringify(set), text)
  })
})

const byCodeUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
