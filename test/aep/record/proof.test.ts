import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { referenceCanonicalText } from '../../../src/aep/canonical.ts'
import type { Json, JsonObject } from '../../../src/aep/json.ts'
import { contentOf } from '../../../src/aep/record/content.ts'
import { judgeRecord } from '../../../src/aep/record/judge.ts'
import { base64, utf8 } from '../../../src/base/bytes.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import {
  chainHashOf,
  change,
  enveloped,
  envelopedByEmitter,
  plainRecord,
  ringOfAlice,
  signed,
  statementOf,
} from '../../support/aep.ts'

const timestamp = '2026-09-01T08:01:01.928Z'
const localProof = (content: JsonObject, authority = 'local-dev-tsa'): JsonObject => ({
  timestamp,
  authority,
  proof: base64(nodeSuite.sha256(utf8(`${referenceCanonicalText(content)}${timestamp}`))),
})
const verdict = (record: Json) => {
  const { reasons, findings, chainHash, chainHashWithoutProof } = judgeRecord(
    JSON.stringify(record),
    ringOfAlice,
    nodeSuite,
  )
  return { reasons, findings, chainHash, chainHashWithoutProof }
}
const findings = (record: Json) => {
  assert.deepEqual(verdict(record).reasons, [])
  return [...verdict(record).findings]
}
const record = signed(plainRecord())
const stamped = { ...record, timestamp_proof: localProof(contentOf(record)) }

describe('a timestamp proof', () => {
  it('attached after signing is named, and the record accepted without it', () => {
    assert.deepEqual(findings(stamped), ['timestamp-proof-detached'])
    const { chainHash, chainHashWithoutProof } = verdict(stamped)
    assert.equal(chainHash, chainHashOf(stamped))
    assert.equal(chainHashWithoutProof, chainHashOf(record))
  })
  it('that the signature covers is named, and refused when it changes', () => {
    const proof = { timestamp, authority: 'inline-tsa', proof: 'cHJvb2Y=', logIndex: 12 }
    const inline = signed(plainRecord({ timestamp_proof: proof }))
    assert.deepEqual(findings(inline), ['timestamp-proof-signed'])
    assert.deepEqual(verdict(change(inline, ['timestamp_proof', 'authority'], 'evil')).reasons, ['signature-mismatch'])
    assert.deepEqual(verdict(change(inline, ['timestamp_proof'], undefined)).reasons, ['signature-mismatch'])
  })
  it('of the local authority is the hash of the record and the time, or named as none', () => {
    const mismatched = ['timestamp-proof-detached', 'timestamp-proof-mismatch']
    assert.deepEqual(
      findings(change(stamped, ['timestamp_proof', 'timestamp'], '2020-01-01T00:00:00.000Z')),
      mismatched,
    )
    assert.deepEqual(findings(change(stamped, ['timestamp_proof', 'proof'], 'cHJvb2Y=')), mismatched)
    assert.deepEqual(findings({ ...record, timestamp_proof: localProof(contentOf(record), 'late-tsa') }), [
      'timestamp-proof-detached',
    ])
    assert.deepEqual(findings({ ...record, timestamp_proof: localProof({}, 'late-tsa') }), mismatched)
  })
  it('of another authority is left to it', () => {
    const proof = { timestamp, authority: 'tsa.example', proof: 'MIIB' }
    assert.deepEqual(findings({ ...record, timestamp_proof: proof }), ['timestamp-proof-detached'])
  })
  it('does not hide that the record was changed', () =>
    assert.deepEqual(verdict({ ...stamped, run_id: 'other' }).reasons, ['signature-mismatch']))
  it('may hold members that nobody signed', () => {
    const odd = change(stamped, ['timestamp_proof', 'x'], 1)
    assert.deepEqual(findings(odd), ['timestamp-proof-detached', 'unsigned-member'])
  })
  it('is refused in another shape', () => {
    for (const proof of [null, 1, {}, { timestamp }]) {
      assert.ok(verdict({ ...record, timestamp_proof: proof as Json }).reasons.includes('schema'))
    }
  })
})

describe('a timestamp proof beside an envelope', () => {
  it('is over what the emitter signed, version and all', () => {
    const emitted = envelopedByEmitter(plainRecord())
    const proof = localProof({ ...contentOf(emitted), schema_version: 'aep/v0.3' })
    assert.deepEqual(findings({ ...emitted, timestamp_proof: proof }), [
      'dsse-pae-legacy-base64',
      'dsse-schema-version-skew',
      'timestamp-proof-detached',
    ])
  })
  it('may be inside the statement, and then it is signed', () => {
    const body = {
      ...plainRecord(),
      schema_version: 'aep/v0.4',
      timestamp_proof: { timestamp, authority: 'a', proof: 'x' },
    }
    const inside = enveloped(body, { payload: JSON.stringify(statementOf(body)) })
    assert.deepEqual(findings(inside), ['timestamp-proof-signed'])
    assert.deepEqual(verdict(change(inside, ['timestamp_proof', 'authority'], 'evil')).reasons, [
      'dsse-predicate-mismatch',
    ])
  })
})
