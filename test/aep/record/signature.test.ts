import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../../src/aep/json.ts'
import { type KeyRing, keyRing } from '../../../src/aep/keyring.ts'
import { judgeRecord } from '../../../src/aep/record/judge.ts'
import { recordSignature } from '../../../src/aep/record/signature.ts'
import { fromHex } from '../../../src/base/bytes.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import type { Suite } from '../../../src/crypto/suite.ts'
import {
  alice,
  bob,
  enveloped,
  envelopedByEmitter,
  mallory,
  plainRecord,
  ringOfAlice,
  ringOfBoth,
  signed,
} from '../../support/aep.ts'

const reasons = (record: JsonObject, keys: KeyRing = ringOfAlice) => [
  ...judgeRecord(JSON.stringify(record), keys, nodeSuite).reasons,
]
const good = signed(plainRecord())
const block = good['signature'] as { alg: string; key_id: string; sig: string }
const withBlock = (changes: JsonObject) => ({ ...good, signature: { ...block, ...changes } })
const withSig = (change: (sig: string) => string) => withBlock({ sig: change(block.sig) })
const flip = (index: number) => (sig: string) => {
  const bytes = Buffer.from(sig, 'base64')
  bytes[index] = (bytes[index] ?? 0) ^ 1
  return bytes.toString('base64')
}

describe('a signature', () => {
  it('has one spelling', () => {
    const spellings: ((sig: string) => string)[] = [
      sig => sig.replace(/=+$/, ''),
      sig => `${sig}==`,
      sig => `${sig.slice(0, 40)}\n${sig.slice(40)}`,
      sig => ` ${sig}`,
      sig => sig.replace(/A==$|Q==$|g==$|w==$/, last => `${String.fromCharCode(last.charCodeAt(0) + 1)}==`),
      sig => Buffer.from(sig, 'base64').toString('base64url'),
    ]
    for (const spell of spellings) {
      assert.notEqual(spell(block.sig), block.sig)
      assert.deepEqual(Buffer.from(spell(block.sig), 'base64'), Buffer.from(block.sig, 'base64'))
      assert.deepEqual(reasons(withSig(spell)), ['signature-encoding'], spell(block.sig))
    }
  })
  it('has 64 bytes', () => {
    assert.deepEqual(reasons(withBlock({ sig: '' })), ['signature-length'])
    assert.deepEqual(reasons(withSig(sig => Buffer.from(sig, 'base64').subarray(0, 63).toString('base64'))), [
      'signature-length',
    ])
    assert.deepEqual(reasons(withSig(sig => Buffer.from(sig, 'base64').toString('hex'))), ['signature-length'])
  })
  it('has S below the group order', () =>
    assert.deepEqual(reasons(withSig(sig => flipHigh(sig))), ['signature-noncanonical-s']))
  it('is refused when one bit of R or S is another', () => {
    for (const index of [0, 31, 32, 40])
      assert.deepEqual(reasons(withSig(flip(index))), ['signature-mismatch'], String(index))
  })
  it('is refused when it is one of another record', () => {
    const other = signed(plainRecord({ run_id: 'other' }))
    assert.deepEqual(reasons({ ...good, signature: other['signature'] ?? null }), ['signature-mismatch'])
  })
  it('is Ed25519 or nothing', () => {
    for (const alg of ['none', 'Ed25519', 'ES256', '']) {
      assert.deepEqual(reasons(withBlock({ alg })), ['schema', 'signature-alg'], alg)
    }
  })
  it('is missing when nobody made one', () => {
    const { signature: _, ...unsigned } = good
    assert.deepEqual(reasons(unsigned), ['unsigned', 'signature-missing'])
    assert.deepEqual(reasons({ ...unsigned, Signature: block }), ['unsigned', 'signature-missing'])
    assert.deepEqual(reasons({ ...unsigned, signature: null }), ['schema'])
    assert.deepEqual(reasons(withBlock({ sig: 'UNSIGNED_PLACEHOLDER' })), ['unsigned', 'signature-encoding'])
  })
})

describe('the key of a signature', () => {
  it('has to be in the ring under the id that the record names', () => {
    assert.deepEqual(reasons(withBlock({ key_id: 'nobody' })), ['key-unknown'])
    assert.deepEqual(reasons(withBlock({ key_id: '' })), ['key-unknown'])
    assert.deepEqual(reasons(good, keyRing([])), ['key-unknown'])
  })
  it('is named as another one where another trusted key made the signature', () => {
    assert.deepEqual(reasons(withBlock({ key_id: 'bob' }), ringOfBoth), ['signature-mismatch', 'key-id-mismatch'])
    assert.deepEqual(reasons(good, keyRing([{ ...bob, keyId: 'alice' }])), ['signature-mismatch'])
  })
  it('may be any of several under one id', () =>
    assert.deepEqual(reasons(good, keyRing([{ ...bob, keyId: 'alice' }, alice])), []))
  it('is refused when it is no sound point', () => {
    const ring = (publicKey: string) => keyRing([{ keyId: 'alice', publicKey: fromHex(publicKey) ?? assert.fail() }])
    assert.deepEqual(reasons(good, ring('00'.repeat(32))), ['key-small-order'])
    assert.deepEqual(reasons(good, ring(`01${'00'.repeat(30)}80`)), ['key-small-order', 'key-noncanonical'])
    assert.deepEqual(reasons(good, ring(`f0${'ff'.repeat(30)}7f`)), ['key-noncanonical'])
    assert.deepEqual(reasons(good, ring(`02${'00'.repeat(31)}`)), ['signature-mismatch', 'key-invalid'])
    assert.deepEqual(reasons(good, ring('ab')), ['key-invalid'])
    assert.deepEqual(reasons(good, ring('')), ['key-invalid'])
  })
})

describe('a v0.4 record without an envelope', () => {
  it('is accepted where it is signed as v0.3 was, and named', () => {
    const verdict = judgeRecord(
      JSON.stringify(signed(plainRecord({ schema_version: 'aep/v0.4' }))),
      ringOfAlice,
      nodeSuite,
    )
    assert.deepEqual([verdict.verdict, verdict.findings], ['accept', ['dsse-envelope-absent']])
  })
  it('is refused where the envelope was taken off it', () => {
    for (const record of [enveloped(plainRecord()), envelopedByEmitter(plainRecord())]) {
      const { dsse_envelope: _, ...stripped } = record
      assert.deepEqual(reasons(stripped), ['signature-mismatch', 'dsse-missing'])
    }
  })
})

describe('the verdict on a signature alone', () => {
  const verdict = (record: JsonObject | string, keys = ringOfAlice, suite: Suite = nodeSuite) =>
    recordSignature(typeof record === 'string' ? record : JSON.stringify(record), keys, suite)
  const { signature: _, ...unsigned } = good

  it('is valid for a good one, whatever the record says', () => {
    assert.equal(verdict(good), 'valid')
    assert.equal(verdict(signed({ no: 'record' })), 'valid')
    assert.equal(verdict(enveloped(plainRecord())), 'valid')
    assert.equal(verdict(envelopedByEmitter(plainRecord())), 'valid')
    assert.equal(verdict({ ...good, timestamp_proof: { timestamp: 't', authority: 'a', proof: '' } }), 'valid')
  })
  it('is absent where nobody signed', () => {
    assert.equal(verdict(unsigned), 'absent')
    assert.equal(verdict({}), 'absent')
    assert.equal(verdict(withBlock({ sig: 'UNSIGNED_PLACEHOLDER' })), 'absent')
  })
  it('is key_unknown where that is all', () => {
    assert.equal(verdict(good, keyRing([])), 'key_unknown')
    assert.equal(verdict(signed(plainRecord(), mallory)), 'key_unknown')
    assert.equal(verdict(enveloped(plainRecord(), { key: mallory })), 'key_unknown')
    assert.equal(verdict(withBlock({ key_id: 'nobody', sig: 'x' })), 'invalid')
  })
  it('is invalid for anything else, and for a text that can be read in two ways', () => {
    assert.equal(verdict({ ...good, run_id: 'other' }), 'invalid')
    assert.equal(verdict({ ...enveloped(plainRecord()), run_id: 'other' }), 'invalid')
    assert.equal(verdict({ ...unsigned, signature: 1 }), 'invalid')
    assert.equal(verdict({ ...signed(plainRecord({ schema_version: 'aep/v0.4' })), dsse_envelope: 1 }), 'invalid')
    assert.equal(verdict(JSON.stringify(good).replace('{', '{"run_id":"evil",')), 'invalid')
    for (const text of ['', '{', '[]', 'null']) assert.equal(verdict(text), 'invalid', text)
  })
  it('costs one verification, two for a legacy envelope, and none for a key that is not known', () => {
    const count = (record: JsonObject, keys = ringOfAlice) => {
      let calls = 0
      const suite: Suite = {
        ...nodeSuite,
        verify: (...args) => {
          calls++
          return nodeSuite.verify(...args)
        },
      }
      verdict(record, keys, suite)
      return calls
    }
    assert.equal(count(good), 1)
    assert.equal(count(enveloped(plainRecord())), 1)
    assert.equal(count(envelopedByEmitter(plainRecord())), 2)
    assert.equal(count(signed(plainRecord(), mallory)), 0)
    assert.equal(count({ ...good, run_id: 'other' }, ringOfBoth), 1)
  })
})

function flipHigh(sig: string): string {
  const bytes = Buffer.from(sig, 'base64')
  bytes[63] = (bytes[63] ?? 0) | 0x20
  return bytes.toString('base64')
}
