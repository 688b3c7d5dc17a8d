import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { verify as nobleVerify, Point } from '@noble/ed25519'
import fc from 'fast-check'
import { referenceCanonicalText } from '../../src/aep/canonical.ts'
import { contentOf } from '../../src/aep/record/content.ts'
import { fromBase64, fromHex, hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { isCanonicalPoint, isCanonicalScalar, isOnCurve, isSmallOrder } from '../../src/crypto/point.ts'
import { portableSuite } from '../../src/crypto/portable.ts'
import type { Suite } from '../../src/crypto/suite.ts'
import { conformanceLines, conformanceSkip } from '../support/conformance.ts'
import { ed25519Vectors } from '../vectors/ed25519.ts'

const suites: readonly [string, Suite][] = [
  ['node', nodeSuite],
  ['portable', portableSuite],
]
const bytes = (text: string) => fromHex(text) ?? assert.fail(text)
const vectors = ed25519Vectors()

for (const [name, suite] of suites) {
  describe(`the ${name} suite`, () => {
    for (const { id, about, origin, public_hex, message_hex, signature_hex, valid } of vectors) {
      it(`${valid ? 'accepts' : 'refuses'} ${about} (${origin}, ${id})`, () =>
        assert.equal(suite.verify(bytes(public_hex), bytes(message_hex), bytes(signature_hex)), valid))
    }

    it('makes the key and the signatures of RFC 8032 section 7.1 TEST 2', () => {
      const seed = bytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
      const vector = vectors.find(({ about }) => about === 'TEST 2') ?? assert.fail()
      assert.equal(hex(suite.publicKey(seed)), vector.public_hex)
      assert.equal(hex(suite.sign(seed, bytes('72'))), vector.signature_hex)
      assert.equal(hex(suite.sign(seed, bytes('72'))), vector.signature_hex)
    })

    it('hashes parts as if they were one (FIPS 180-4, "abc")', () => {
      const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
      assert.equal(hex(suite.sha256(utf8('abc'))), abc)
      assert.equal(hex(suite.sha256(utf8('a'), new Uint8Array(), utf8('bc'))), abc)
      assert.equal(hex(suite.sha256()), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
      for (const length of [0, 1, 131_071, 131_072, 200_000]) {
        const parts = [Uint8Array.of(7), new Uint8Array(length).fill(3)]
        assert.equal(suite.sha256Hex(...parts), hex(suite.sha256(...parts)))
        assert.equal(suite.sha256Hex(...parts.slice(1)), hex(suite.sha256(...parts.slice(1))))
      }
      assert.equal(suite.sha256Hex(), hex(suite.sha256()))
    })

    it('says false to anything of another length, and never throws', () => {
      const [good] = vectors
      assert.ok(good)
      const [key, message, signature] = [bytes(good.public_hex), bytes(good.message_hex), bytes(good.signature_hex)]
      assert.equal(suite.verify(key, message, signature), true)
      for (const length of [0, 1, 31, 33, 64])
        assert.equal(suite.verify(new Uint8Array(length), message, signature), false)
      for (const length of [0, 1, 63, 65, 128]) assert.equal(suite.verify(key, message, new Uint8Array(length)), false)
      assert.equal(suite.verify(key.subarray(0, 31), message, signature), false)
    })

    it('throws when a seed is not 32 bytes', () => {
      assert.throws(() => suite.sign(new Uint8Array(31), new Uint8Array()))
      assert.throws(() => suite.publicKey(new Uint8Array(33)))
    })
  })
}

describe('both suites', () => {
  it('sign alike, and take each other’s signatures and no changed one', () => {
    const any = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(any, fc.uint8Array({ maxLength: 200 }), fc.nat(511), (seed, message, bit) => {
        const publicKey = nodeSuite.publicKey(seed)
        const signature = nodeSuite.sign(seed, message)
        assert.equal(hex(portableSuite.publicKey(seed)), hex(publicKey))
        assert.equal(hex(portableSuite.sign(seed, message)), hex(signature))
        const changed = Uint8Array.from(signature, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
        for (const [, suite] of suites) {
          assert.equal(suite.verify(publicKey, message, signature), true)
          assert.equal(suite.verify(publicKey, message, changed), false)
        }
      }),
      { numRuns: 10, seed: 8032 },
    )
  })

  it('agree on whatever bytes come', () => {
    const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
    fc.assert(
      fc.property(sized(32), sized(64), (key, signature) => {
        const verdicts = suites.map(([, suite]) => suite.verify(key, utf8('x'), signature))
        assert.deepEqual(verdicts, [false, false])
      }),
      { numRuns: 50, seed: 215 },
    )
  })

  it('give the verdicts of the conformance edge vectors', { skip: conformanceSkip }, () => {
    const lines = conformanceLines('vectors/ed25519-edge.jsonl') as EdgeLine[]
    assert.ok(lines.length > 0)
    for (const { id, input, keys, expected } of lines) {
      const record = JSON.parse(input.text)
      const message = utf8(referenceCanonicalText(contentOf(record)))
      const signature = fromBase64(record.signature.sig) ?? assert.fail(id)
      for (const [name, suite] of suites) {
        const verdict = suite.verify(bytes(keys[0]?.public_hex ?? ''), message, signature) ? 'accept' : 'reject'
        assert.equal(verdict, expected.verdict, `${id} in ${name}`)
      }
    }
  })
})

interface EdgeLine {
  readonly id: string
  readonly input: { readonly text: string }
  readonly keys: readonly { readonly public_hex: string }[]
  readonly expected: { readonly verdict: string }
}

describe('a node key object', () => {
  it('is not taken for the one of a seed that was overwritten', () => {
    const seed = new Uint8Array(32).fill(1)
    const before = hex(nodeSuite.publicKey(seed))
    seed.fill(2)
    assert.notEqual(hex(nodeSuite.publicKey(seed)), before)
  })
  it('is forgotten when many others came, and made again', () => {
    const seed = new Uint8Array(32).fill(3)
    const publicKey = nodeSuite.publicKey(seed)
    const signature = nodeSuite.sign(seed, utf8('x'))
    for (let i = 0; i < 4200; i++) {
      const other = nodeSuite.sha256(Uint8Array.of(i & 0xff, i >> 8))
      nodeSuite.verify(other, utf8('x'), signature)
    }
    assert.equal(nodeSuite.verify(publicKey, utf8('x'), signature), true)
  })
})

describe('what the rule asks of bytes', () => {
  it('is what the library says of points', () => {
    // Strict decoding throws for each spelling that is not canonical or no point; small order is the library's word too.
    for (const { public_hex } of vectors) {
      const key = bytes(public_hex)
      const strict = strictlyDecodes(key)
      assert.equal(isCanonicalPoint(key) && isOnCurve(key), strict, public_hex)
    }
  })
  it('knows all 14 spellings of small order, and no other', () => {
    const small = vectors.filter(({ public_hex }) => isSmallOrder(bytes(public_hex)))
    assert.equal(small.length, 14)
    assert.ok(small.every(({ about }) => about.includes('small order')))
  })
  it('puts S below L', () => {
    const scalar = (text: string) => bytes(text.padEnd(64, '0'))
    assert.equal(isCanonicalScalar(scalar('')), true)
    assert.equal(isCanonicalScalar(bytes('ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')), true)
    assert.equal(isCanonicalScalar(bytes('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')), false)
    assert.equal(isCanonicalScalar(bytes('eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')), false)
    assert.equal(isCanonicalScalar(bytes('ff'.repeat(32))), false)
  })
  it('is more than the library’s own verify asks: that is why the rule is written out', () => {
    const taken = vectors.filter(({ public_hex, message_hex, signature_hex }) =>
      nobleVerify(bytes(signature_hex), bytes(message_hex), bytes(public_hex)),
    )
    assert.ok(taken.some(({ valid }) => !valid))
  })
})

function strictlyDecodes(key: Uint8Array): boolean {
  try {
    Point.fromBytes(key)
    return true
  } catch {
    return false
  }
}
