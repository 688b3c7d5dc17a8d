import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { base64, concat } from '../../src/base/bytes.ts'
import { decodeEntry } from '../../src/ledger/decode.ts'
import { parseCheckpoint } from '../../src/verify/checkpoint.ts'
import { emitterTrail } from '../../src/verify/emitters.ts'
import { finding, findingKinds } from '../../src/verify/findings.ts'
import { readFrame } from '../../src/verify/frame.ts'
import { newFrontier } from '../../src/verify/frontier.ts'
import { identitiesUpTo } from '../../src/verify/identities.ts'
import { overall, verdicts } from '../../src/verify/report.ts'
import { created, decision, ledgerName, sealed, suite } from './support.ts'

const [, entry] = sealed([created(), decision(1, { subject: 'é,"intake":{"by":"no","emitter_sig":"valid"' })])
if (entry === undefined) throw new Error('no entry')
const { bytes } = entry

describe('the frame of an entry', () => {
  it('is what the whole entry says', () => {
    const decoding = decodeEntry(bytes)
    assert.ok(decoding.ok)
    const { event: _, v: __, ...frame } = decoding.entry
    assert.deepEqual(readFrame(bytes), frame)
    assert.equal(frame.ledger, ledgerName)
  })

  it('never says other than the whole entry, whatever is changed', () => {
    const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255), insert: fc.boolean() })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
        let other = bytes
        for (const { at, to, insert } of changes) {
          other = concat(other.subarray(0, at), Uint8Array.of(to), other.subarray(insert ? at : at + 1))
        }
        const decoding = decodeEntry(other)
        if (!decoding.ok) return
        const { seq, prev, recorded_at, key_id } = decoding.entry
        const frame = readFrame(other)
        assert.deepEqual([frame?.seq, frame?.prev, frame?.recorded_at, frame?.key_id], [seq, prev, recorded_at, key_id])
      }),
      { numRuns: 2000 },
    )
  })

  it('is none where the bytes do not end as an entry does', () => {
    for (const cut of [0, 1, 40, bytes.length - 1]) assert.equal(readFrame(bytes.subarray(0, cut)), undefined)
    assert.equal(readFrame(concat(bytes, Uint8Array.of(0x20))), undefined)
  })
})

/** RFC 6962 section 2.1, word for word. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (only === undefined) return suite.sha256(new Uint8Array(0))
  if (leaves.length === 1) return only
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return suite.sha256(concat(Uint8Array.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k))))
}

describe('a frontier', () => {
  it('has the root of RFC 6962 at every size from 0 to 100', () => {
    const leaves = Array.from({ length: 100 }, (_, n) => suite.sha256(Uint8Array.of(0, n)))
    const frontier = newFrontier(suite)
    for (let size = 0; size <= 100; size++) {
      assert.equal(frontier.size, size)
      assert.deepEqual(Buffer.from(frontier.root()), Buffer.from(treeHash(leaves.slice(0, size))), `size ${size}`)
      frontier.add(leaves[size] ?? new Uint8Array(32))
    }
  })
})

describe('a checkpoint', () => {
  const root = base64(new Uint8Array(32).fill(7))

  it('is read from its note, extensions and signatures left alone', () => {
    for (const rest of ['', '\nextension', '\n\n— name c2ln\n', '\next\n\n— name c2ln\n']) {
      const read = parseCheckpoint(`example.com/log\n42\n${root}${rest}`)
      assert.deepEqual(read, { origin: 'example.com/log', size: 42, rootHash: new Uint8Array(32).fill(7) }, rest)
    }
  })

  it('is none in any other text', () => {
    const others = [
      '',
      'o',
      'o\n1',
      `\n1\n${root}`,
      `o\n0\n${root}`,
      `o\n01\n${root}`,
      `o\n-1\n${root}`,
      `o\n1\n${root.slice(4)}`,
      `o\n1 \n${root}`,
    ]
    for (const text of others) assert.equal(parseCheckpoint(text), undefined, JSON.stringify(text))
  })
})

describe('the table of identities', () => {
  it('answers as a map does, through every growth', () => {
    const words = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 500 }))
    fc.assert(
      fc.property(fc.array(words, { maxLength: 300 }), pairs => {
        const table = identitiesUpTo(1_000_000)
        const map = new Map<string, number>()
        // Equal low words meet in one slot, so that probing is tried as well.
        for (const [seq, [high, low]] of pairs.entries()) {
          const name = `${high} ${low % 5}`
          assert.equal(table.add(high, low % 5, seq), map.get(name))
          if (!map.has(name)) map.set(name, seq)
        }
      }),
    )
    const table = identitiesUpTo(100_000)
    const low = (n: number) => Math.imul(n, 0x9e37_79b1) >>> 0
    for (let n = 1; n <= 20_000; n++) assert.equal(table.add(n, low(n), n), undefined)
    for (let n = 1; n <= 20_000; n++) assert.equal(table.add(n, low(n), 0), n)
    assert.equal(table.complete, true)
  })

  it('says when it could not take one in', () => {
    const table = identitiesUpTo(2)
    for (const n of [1, 2, 1, 2]) table.add(n, n, n)
    assert.equal(table.complete, true)
    table.add(3, 3, 3)
    assert.equal(table.complete, false)
  })
})

describe('the trail of emitters', () => {
  const holesIn = (sequences: readonly number[], declared: readonly (readonly [number, number])[] = []) => {
    const trail = emitterTrail(100)
    for (const [seq, sequence] of sequences.entries()) trail.note(1, seq, Number.NaN, sequence)
    for (const [first, last] of declared) trail.declare(1, first, last)
    return [...trail.holes()].map(({ seq, remark }) => `${seq}: ${remark.expected}`)
  }

  it('knows the numbers that never came, whatever order the others came in', () => {
    assert.deepEqual(holesIn([1, 2, 3]), [])
    assert.deepEqual(holesIn([1, 5, 9]), ['1: numbers 2 to 4', '2: numbers 6 to 8'])
    assert.deepEqual(holesIn([1, 5, 3, 4]), ['1: number 2'])
    assert.deepEqual(holesIn([7, 3, 2, 8]), [])
    assert.deepEqual(holesIn([1, 9, 5, 5, 9]), ['1: numbers 2 to 4', '1: numbers 6 to 8'])
  })

  it('leaves out what an emitter declared, as far as it declared it', () => {
    assert.deepEqual(holesIn([1, 9], [[2, 8]]), [])
    assert.deepEqual(holesIn([1, 9], [[4, 5]]), ['1: numbers 2 to 3', '1: numbers 6 to 8'])
    assert.deepEqual(
      holesIn(
        [1, 9],
        [
          [0, 4],
          [8, 99],
        ],
      ),
      ['1: numbers 5 to 7'],
    )
  })

  it('agrees with counting, for any numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { minLength: 1, maxLength: 20 }), sequences => {
        const trail = emitterTrail(1000)
        for (const [seq, sequence] of sequences.entries()) trail.note(1, seq, Number.NaN, sequence)
        const missing = [...trail.holes()].flatMap(({ remark }) => {
          const [first = 0, last = first] = (remark.expected ?? '').match(/\d+/g)?.map(Number) ?? []
          return Array.from({ length: last - first + 1 }, (_, n) => first + n)
        })
        const [begin = 0] = sequences
        const greatest = Math.max(...sequences)
        const all = Array.from({ length: greatest - begin + 1 }, (_, n) => begin + n)
        assert.deepEqual(
          missing.sort((a, b) => a - b),
          all.filter(n => !sequences.includes(n)),
        )
      }),
    )
  })

  it('keeps emitters apart, and tells one’s time going back', () => {
    const trail = emitterTrail(100)
    assert.equal(trail.note(1, 0, 5000, Number.NaN), undefined)
    assert.equal(trail.note(2, 1, 1000, Number.NaN), undefined)
    assert.equal(trail.note(1, 2, 4000, Number.NaN)?.code, 'time-order')
    assert.equal(trail.note(1, 3, 4000, Number.NaN), undefined)
  })

  it('says when there were more than it follows', () => {
    const trail = emitterTrail(1)
    trail.note(1, 0, Number.NaN, 1)
    trail.note(2, 1, Number.NaN, Number.NaN)
    assert.equal(trail.complete, true)
    trail.note(2, 2, Number.NaN, 1)
    assert.equal(trail.complete, false)
  })
})

describe('findings', () => {
  it('take axis and severity from the table, and leave out what nobody said', () => {
    assert.deepEqual(finding('l', undefined, { code: 'keys-missing', cause: 'x' }), {
      code: 'keys-missing',
      axis: findingKinds['keys-missing'].axis,
      severity: 'incomplete',
      ledger: 'l',
      cause: 'x',
    })
  })
})

describe('the verdict over ledgers', () => {
  it('is the gravest of them, and none is verified beside an empty one', () => {
    for (const [n, grave] of verdicts.entries()) {
      for (const lesser of verdicts.slice(0, n)) {
        assert.equal(overall([{ verdict: lesser }, { verdict: grave }]), grave)
      }
    }
    assert.equal(overall([]), 'nothing')
  })
})
