import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Claim, shareOut } from '../../../src/log/kafka/sticky.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const having = (had: Readonly<Record<string, readonly number[]>>): Map<string, Claim> =>
  new Map(Object.entries(had).map(([member, had]) => [member, { had, unfit: [] }]))
const shared = (shares: ReadonlyMap<string, readonly number[]>) => Object.fromEntries(shares)

const some = fc.array(fc.nat(12), { maxLength: 8 })
const name = fc.string({ minLength: 1, maxLength: 3 })

describe('sharing partitions out', () => {
  it('gives each to one member, and none more than one above another, whatever they say they had', () => {
    fc.assert(
      fc.property(fc.dictionary(name, some, { minKeys: 1 }), fc.nat(10), (had, count) => {
        const shares = shareOut(having(had), numbers(count))
        assert.deepEqual(
          [...shares.values()].flat().sort((a, b) => a - b),
          numbers(count),
        )
        const sizes = [...shares.values()].map(share => share.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, JSON.stringify([...shares]))
      }),
    )
  })

  it('gives each to one member that is fit for it, if any is', () => {
    const claims = fc.dictionary(name, fc.record({ had: some, unfit: some }), { minKeys: 1 })
    fc.assert(
      fc.property(claims, fc.nat(10), (claims, count) => {
        const shares = shareOut(new Map(Object.entries(claims)), numbers(count))
        assert.deepEqual(
          [...shares.values()].flat().sort((a, b) => a - b),
          numbers(count),
        )
        for (const [member, share] of shares) {
          for (const partition of share) {
            const isFit = !claims[member]?.unfit.includes(partition)
            assert.ok(isFit || Object.values(claims).every(({ unfit }) => unfit.includes(partition)))
          }
        }
      }),
    )
  })

  it('moves nothing that need not move', () => {
    const had = { a: [0, 1, 2], b: [3, 4, 5] }
    assert.deepEqual(shared(shareOut(having(had), numbers(6))), had)
    assert.deepEqual(shared(shareOut(having({ ...had, c: [] }), numbers(6))), { a: [0, 1], b: [3, 4], c: [2, 5] })
    assert.deepEqual(shared(shareOut(having({ a: had.a }), numbers(6))), { a: numbers(6) })
  })

  it('moves what a member can not work on, and that alone', () => {
    const claims = new Map<string, Claim>([
      ['a', { had: [1], unfit: [0] }],
      ['b', { had: [2, 3], unfit: [] }],
    ])
    assert.deepEqual(shared(shareOut(claims, numbers(4))), { a: [1], b: [0, 2, 3] })
  })

  it('gives a member that was away for a moment back what it had, when another has all of it', () => {
    const claims = new Map<string, Claim>([
      ['a', { had: [0], unfit: [3] }],
      ['b', { had: [0, 1, 2, 3], unfit: [] }],
    ])
    assert.deepEqual(shared(shareOut(claims, numbers(4))), { a: [0, 2], b: [1, 3] })
  })

  it('gives nothing to a member that there is no partition for', () => {
    assert.deepEqual(shared(shareOut(having({ a: [0], b: [] }), numbers(1))), { a: [0], b: [] })
  })
})
