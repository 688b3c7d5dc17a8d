import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LedgerEvent } from '../../src/aep/event/schema.ts'
import type { Seq } from '../../src/ledger/entry.ts'
import { keyRevoked, keyRotated, ledgerCreated } from '../../src/ledger/own-events.ts'
import { evolveKeys, type KeyHistory, keyAt, keyFault, noKeys } from '../../src/projections/keys.ts'
import { keyAdded } from '../support/own-events.ts'
import { smallestDecision } from '../vectors/events.ts'

const spoken = { origin: 'o/l', at: '2026-01-01T00:00:00.000Z' }
const key = (name: string) => ({ keyId: name, publicHex: name.charCodeAt(0).toString(16).repeat(32) })
const created = ledgerCreated({ ...spoken, ledger: 'l', key: key('a') })
const rotated = (from: string, to: string) => keyRotated({ ...spoken, from, key: key(to) })
const revoked = (keyId: string, compromisedSinceSeq?: number) =>
  keyRevoked({ ...spoken, keyId, ...(compromisedSinceSeq === undefined ? {} : { compromisedSinceSeq }) })
const added = (name: string) => keyAdded({ ...spoken, key: key(name) })

type Happened = readonly (readonly [seq: number, event: LedgerEvent | typeof smallestDecision])[]
const after = (...happened: Happened): KeyHistory =>
  happened.reduce((history, [seq, event]) => evolveKeys(history, { seq: seq as Seq, event }), noKeys)
const faultAfter = (happened: Happened, seq: number, event: LedgerEvent) =>
  keyFault(after(...happened), { seq: seq as Seq, event })
const signers = (history: KeyHistory, ...seqs: number[]) => seqs.map(seq => keyAt(history, seq)?.keyId)

describe('the key that signs', () => {
  it('is nobody before the ledger is created, and then the key that it was created with', () => {
    assert.deepEqual(signers(noKeys, 0, 5), [undefined, undefined])
    assert.deepEqual(signers(after([0, created]), 0, 1, 1000), ['a', 'a', 'a'])
    assert.equal(keyAt(after([0, created]), 0)?.publicHex, '61'.repeat(32))
  })

  it('changes with the entry after the rotation, which the old key signs itself', () => {
    const history = after([0, created], [5, rotated('a', 'b')], [9, rotated('b', 'c')])
    assert.deepEqual(signers(history, 0, 5, 6, 9, 10), ['a', 'a', 'b', 'b', 'c'])
    assert.deepEqual(
      history.turns.map(({ fromSeq, toSeq }) => [fromSeq, toSeq]),
      [
        [0, 5],
        [6, 9],
        [10, undefined],
      ],
    )
  })

  it('may be one that signed before', () => {
    assert.deepEqual(signers(after([0, created], [5, rotated('a', 'b')], [9, rotated('b', 'a')]), 5, 9, 10), [
      'a',
      'b',
      'a',
    ])
  })

  it('is not changed by a key that is only announced, nor by what emitters say', () => {
    const history = after([0, created], [3, added('b')], [4, smallestDecision])
    assert.deepEqual(signers(history, 3, 4, 5), ['a', 'a', 'a'])
    assert.deepEqual(history.announced, [{ ...key('b'), seq: 3 }])
  })

  it('is nobody once the key that signs is revoked', () => {
    assert.deepEqual(signers(after([0, created], [5, revoked('a')]), 5, 6), ['a', undefined])
  })

  it('goes on when an earlier key is revoked', () => {
    const history = after([0, created], [5, rotated('a', 'b')], [6, revoked('a', 3)])
    assert.deepEqual(signers(history, 5, 6, 7), ['a', 'b', 'b'])
    assert.deepEqual(history.revoked, [{ keyId: 'a', seq: 6, sinceSeq: 3 }])
  })
})

describe('a change of keys that does not follow', () => {
  const begun: Happened = [[0, created]]
  const impossible = [
    ['a second creation', begun, created, /created already/],
    ['a rotation from a key that does not sign', begun, rotated('b', 'c'), /the key that signs here is a, not b/],
    ['a rotation to itself', begun, rotated('a', 'a'), /follow itself/],
    [
      'a rotation to a revoked key',
      [...begun, [1, added('b')], [2, revoked('b')]] as Happened,
      rotated('a', 'b'),
      /was revoked/,
    ],
    [
      'a rotation after nobody can sign',
      [...begun, [1, revoked('a')]] as Happened,
      rotated('a', 'b'),
      /signs here is none/,
    ],
    ['a revocation of a stranger', begun, revoked('z'), /nothing is known/],
    [
      'the same revocation again',
      [...begun, [1, added('b')], [2, revoked('b', 2)]] as Happened,
      revoked('b', 2),
      /since then already/,
    ],
    [
      'an id for another key',
      begun,
      keyAdded({ ...spoken, key: { ...key('b'), keyId: 'a' } }),
      /stands for another key/,
    ],
  ] as const
  for (const [what, happened, event, why] of impossible) {
    it(`(${what}) is named, and has no effect`, () => {
      assert.match(faultAfter(happened, 5, event) ?? '', why)
      const before = after(...happened)
      assert.deepEqual(evolveKeys(before, { seq: 5 as Seq, event }), before)
    })
  }

  it('is not an earlier theft that becomes known later', () => {
    const history = after([0, created], [1, added('b')], [5, revoked('b', 5)], [6, revoked('b', 2)])
    assert.deepEqual(
      history.revoked.map(({ sinceSeq }) => sinceSeq),
      [5, 2],
    )
  })
})
