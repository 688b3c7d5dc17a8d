import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../src/base/fault.ts'
import type { SearchCursor, SearchFilter } from '../../src/query/port.ts'
import { searchSql } from '../../src/query/search-sql.ts'
import { factFilters } from '../../src/query/terms.ts'

const lists = ['types', ...factFilters, 'words'] as const

function faultOf(filter: SearchFilter, after?: SearchCursor): readonly string[] {
  try {
    searchSql('l', filter, 1, after)
  } catch (error) {
    assert.ok(error instanceof Fault)
    assert.equal(error.code, 'invalid-request')
    return error.errors.map(({ pointer }) => pointer)
  }
  return []
}

describe('the statement of a search', () => {
  it('has the same text whatever the values are: they are parameters, all of them', () => {
    const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.subarray([...lists]), value, value, fc.string(), (names, a, b, ledger) => {
        const of = (text: string): SearchFilter =>
          Object.fromEntries(names.map(name => [name, name === 'words' ? [`w${text}`] : [text]]))
        const first = searchSql(ledger, of(a), 10)
        assert.equal(first.text, searchSql('x', of(b), 99).text)
        for (const name of first.text.matchAll(/\{(\w+):/g))
          assert.ok(Object.hasOwn(first.params, name[1] ?? ''), name[1])
      }),
    )
  })

  it('asks for one term, and one list of rows, where a decision and a tool are asked for', () => {
    const { text, params } = searchSql('l', { decisions: ['deny'], tools: ['x'] }, 10)
    assert.ok(!/UNION|arrayExists/.test(text))
    assert.deepEqual(params['all'], ['decided=["deny","x"]'])
    assert.match(searchSql('l', { decisions: ['deny'], tools: ['x'], runs: ['r'] }, 10).text, /UNION ALL/)
  })

  it('refuses lists that are empty or too long, and values that are', () => {
    for (const name of factFilters) {
      assert.deepEqual(faultOf({ [name]: [] }), [name])
      assert.deepEqual(faultOf({ [name]: [''] }), [name])
      assert.deepEqual(faultOf({ [name]: ['x'.repeat(1025)] }), [name])
      assert.deepEqual(faultOf({ [name]: Array.from({ length: 101 }, (_, i) => `${i}`) }), [name])
      assert.deepEqual(faultOf({ [name]: ['x'.repeat(1024)] }), [])
    }
  })

  it('refuses words without a letter or digit, and too many', () => {
    assert.deepEqual(faultOf({ words: ['--'] }), ['words'])
    assert.deepEqual(faultOf({ words: [] }), ['words'])
    assert.deepEqual(faultOf({ words: ['a '.repeat(33)] }), ['words'])
    assert.deepEqual(faultOf({ words: ['ß'] }), [])
  })

  it('refuses moments and cursors that are no whole numbers', () => {
    assert.deepEqual(faultOf({ sinceMs: 0.5, untilMs: Number.NaN }), ['sinceMs', 'untilMs'])
    assert.deepEqual(faultOf({}, { timeMs: 1, seq: -1 }), ['cursor'])
    assert.deepEqual(faultOf({}, { timeMs: Number.POSITIVE_INFINITY, seq: 1 }), ['cursor'])
  })
})
