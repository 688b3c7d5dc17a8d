import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { shareOut } from '../../../src/log/kafka/sticky.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe('sharing partitions out', () => {
  it('gives each to one member, and none more than one above another, whatever they say they had', () => {
    const had = fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.array(fc.nat(12), { maxLength: 8 }), {
      minKeys: 1,
    })
    fc.assert(
      fc.property(had, fc.nat(10), (claims, count) => {
        const shares = shareOut(new Map(Object.entries(claims)), numbers(count))
        assert.deepEqual(
          [...shares.values()].flat().sort((a, b) => a - b),
          numbers(count),
        )
        const sizes = [...shares.values()].map(share => share.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, JSON.stringify([...shares]))
      }),
    )
  })

  it('moves nothing that need not move', () => {
    const had = new Map([
      ['a', [0, 1, 2]],
      ['b', [3, 4, 5]],
    ])
    assert.deepEqual(shareOut(had, numbers(6)), had)
    const joined = shareOut(new Map([...had, ['c', []]]), numbers(6))
    assert.deepEqual(joined.get('a'), [0, 1])
    assert.deepEqual(joined.get('b'), [3, 4])
    assert.deepEqual(joined.get('c'), [2, 5])
    had.delete('b')
    assert.deepEqual(shareOut(had, numbers(6)).get('a'), numbers(6))
  })

  it('gives nothing to a member that there is no partition for', () => {
    const shares = shareOut(
      new Map([
        ['a', [0]],
        ['b', []],
      ]),
      numbers(1),
    )
    assert.deepEqual(
      [...shares],
      [
        ['a', [0]],
        ['b', []],
      ],
    )
  })
})
