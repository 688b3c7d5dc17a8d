import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type EntryKey, entryKeys, identityKey, seqOf, seqValue } from '../../src/log/embedded/keys.ts'

const written = (key: EntryKey): Buffer => {
  const bytes = Buffer.alloc(20, 0xff)
  return bytes.subarray(3, entryKeys.writeKey(key, bytes, 3))
}
const key = fc.record({
  ledger: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  seq: fc.oneof(
    fc.nat(300),
    fc.maxSafeNat().map(n => n % 2 ** 48),
    fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1),
  ),
})
const compare = (a: EntryKey, b: EntryKey): number => Math.sign(a.ledger - b.ledger || a.seq - b.seq)

describe('keys of entries', () => {
  it('are ten bytes, and read back', () => {
    fc.assert(
      fc.property(key, one => {
        assert.equal(written(one).length, 10)
        assert.deepEqual(entryKeys.readKey(written(one), 0), { ...one })
        assert.equal(seqOf(seqValue(one.seq)), one.seq)
      }),
    )
  })
  it('sort as bytes by ledger, then seq', () => {
    fc.assert(fc.property(key, key, (a, b) => assert.equal(Buffer.compare(written(a), written(b)), compare(a, b))))
  })
})

describe('keys of identities', () => {
  const text = fc.oneof(fc.string({ maxLength: 4, unit: 'binary' }), fc.string({ minLength: 100, maxLength: 200 }))
  const identity = fc.record({ source: text, id: text })
  it('are equal for equal identities alone, and fit LMDB', () => {
    fc.assert(
      fc.property(identity, identity, (a, b) => {
        const same = a.source === b.source && a.id === b.id
        assert.equal(Buffer.compare(identityKey(1, a), identityKey(1, b)) === 0, same)
        assert.notDeepEqual(identityKey(1, a), identityKey(2, a))
        assert.deepEqual(identityKey(1, a), identityKey(1, { ...a }))
        assert.ok(identityKey(1, a).length <= 1_978)
      }),
      { numRuns: 1_000 },
    )
  })
  it('of one source keep the order of ids that rise', () => {
    const ids = Array.from(
      { length: 50 },
      (_, n) => `0190${n.toString(16).padStart(4, '0')}-0000-7000-8000-000000000000`,
    )
    const keys = ids.map(id => identityKey(7, { source: 'urn:g', id }))
    assert.deepEqual(keys.toSorted(Buffer.compare), keys)
  })
})
