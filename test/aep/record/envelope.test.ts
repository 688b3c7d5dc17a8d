import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pae } from '../../../src/aep/dsse.ts'
import type { Json, JsonObject } from '../../../src/aep/json.ts'
import { type KeyRing, keyRing } from '../../../src/aep/keyring.ts'
import { contentOf } from '../../../src/aep/record/content.ts'
import { signaturesMax, verificationsMax } from '../../../src/aep/record/envelope.ts'
import { judgeRecord } from '../../../src/aep/record/judge.ts'
import { recordSignature } from '../../../src/aep/record/signature.ts'
import { base64, utf8 } from '../../../src/base/bytes.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import type { Suite } from '../../../src/crypto/suite.ts'
import {
  alice,
  bob,
  change,
  enveloped,
  envelopedByEmitter,
  mallory,
  plainRecord,
  ringOfAlice,
  ringOfBoth,
  signatureOver,
  signed,
  statementOf,
  type TestKey,
} from '../../support/aep.ts'

const judge = (record: Json, keys: KeyRing = ringOfAlice) => judgeRecord(JSON.stringify(record), keys, nodeSuite)
const reasons = (record: Json, keys: KeyRing = ringOfAlice) => [...judge(record, keys).reasons]
const findings = (record: Json, keys: KeyRing = ringOfAlice) => {
  const { verdict, findings } = judge(record, keys)
  assert.equal(verdict, 'accept')
  return [...findings]
}
const plain = plainRecord()
const body: JsonObject = { ...plain, schema_version: 'aep/v0.4' }
const spec = enveloped(plain)
const legacy = envelopedByEmitter(plain)
const payloadType = 'application/vnd.in-toto+json'

/** The envelope of `record` with its signature list as given. */
function withSignatures(record: JsonObject, signatures: readonly Json[]): JsonObject {
  return { ...record, dsse_envelope: { ...(record['dsse_envelope'] as JsonObject), signatures } }
}
const payloadOf = (record: JsonObject) => String((record['dsse_envelope'] as JsonObject)['payload'])
const signatureIn = (record: JsonObject) => ((record['dsse_envelope'] as JsonObject)['signatures'] as Json[])[0] ?? null
const specSignature = (record: JsonObject, key: TestKey): Json => ({
  keyid: key.keyId,
  sig: signatureOver(pae(payloadType, Buffer.from(payloadOf(record), 'base64')), key),
})
const legacySignature = (record: JsonObject, key: TestKey): Json => ({
  keyid: key.keyId,
  sig: signatureOver(pae(payloadType, utf8(payloadOf(record))), key),
})

/** The suite, and how often it verified. */
function countingSuite(): Suite & { verified: number } {
  return {
    ...nodeSuite,
    verified: 0,
    verify(...asked) {
      this.verified += 1
      return nodeSuite.verify(...asked)
    },
  }
}

describe('an envelope', () => {
  it('signed as DSSE has it is accepted with nothing to say', () => assert.deepEqual(findings(spec), []))
  it('signed over its base64 text, as the emitter does, is accepted and named', () => {
    assert.deepEqual(findings(legacy), ['dsse-pae-legacy-base64', 'dsse-schema-version-skew'])
    assert.deepEqual(findings(enveloped(plain, { form: 'legacy' })), ['dsse-pae-legacy-base64'])
  })
  it('may hold a payload laid out in any way: its bytes count', () => {
    const payload = `\n${JSON.stringify(statementOf(body), null, 4)} `
    assert.deepEqual(findings(enveloped(plain, { payload })), [])
  })
  it('needs one good signature, and the spec’s is enough', () => {
    const both = withSignatures(spec, [specSignature(spec, alice), legacySignature(spec, alice)])
    assert.deepEqual(findings(both), [])
    const two = withSignatures(spec, [specSignature(spec, alice), specSignature(spec, bob)])
    assert.deepEqual(findings(two, ringOfBoth), [])
    assert.deepEqual(findings(two), ['dsse-extra-signature'])
    const broken = withSignatures(spec, [specSignature(spec, alice), { keyid: 'bob', sig: 'AAAA' }])
    assert.deepEqual(findings(broken, ringOfBoth), ['dsse-extra-signature'])
  })
  it('may leave out the hint whose key it was', () => {
    const { sig } = specSignature(spec, alice) as { sig: string }
    const hintless = { ...withSignatures(spec, [{ sig }]), signature: (signed(body)['signature'] ?? null) as Json }
    assert.deepEqual(findings(hintless), [])
  })
  it('may carry members that no signature covers, and they are named', () => {
    assert.deepEqual(findings(change(spec, ['dsse_envelope', 'note'], 1)), ['unsigned-member'])
    assert.deepEqual(findings(change(spec, ['dsse_envelope', 'signatures', 0, 'cert'], 'x')), ['unsigned-member'])
  })
})

describe('a lie about an envelope', () => {
  it('is refused when nobody signed, or nobody known', () => {
    assert.deepEqual(reasons(withSignatures(spec, [])), [
      'signature-mismatch',
      'signature-block-inconsistent',
      'dsse-no-signatures',
    ])
    assert.deepEqual(reasons(enveloped(plain, { key: mallory })), ['key-unknown'])
    assert.deepEqual(reasons(withSignatures(spec, [{ keyid: 'alice', sig: 'A' }])), [
      'signature-encoding',
      'signature-mismatch',
      'signature-block-inconsistent',
    ])
  })
  it('is refused unread when it has more signatures than anyone needs', () => {
    const counting = countingSuite()
    const { sig } = specSignature(spec, mallory) as { sig: string }
    const good = specSignature(spec, alice)
    const padded = (count: number) =>
      withSignatures(spec, [...Array.from({ length: count - 1 }, (): Json => ({ sig })), good])
    assert.deepEqual(findings(padded(signaturesMax), ringOfBoth), ['dsse-extra-signature'])
    const text = JSON.stringify(padded(signaturesMax + 1))
    assert.deepEqual(judgeRecord(text, ringOfBoth, counting).reasons, ['signature-limit'])
    assert.equal(recordSignature(text, ringOfBoth, counting), 'invalid')
    assert.equal(counting.verified, 0)
  })
  it('is refused when its signatures name no key, and there are too many to try', () => {
    const counting = countingSuite()
    const ring = keyRing(
      Array.from({ length: 500 }, (_, n) => ({
        keyId: `k-${n}`,
        publicKey: nodeSuite.publicKey(new Uint8Array(32).fill(n % 256).fill(n >> 8, 0, 1)),
      })),
    )
    const { sig } = specSignature(spec, mallory) as { sig: string }
    const record = withSignatures(
      spec,
      Array.from({ length: signaturesMax }, (): Json => ({ sig })),
    )
    assert.equal(recordSignature(JSON.stringify(record), ring, counting), 'invalid')
    assert.ok(counting.verified <= verificationsMax, `${counting.verified}`)
    assert.ok(judgeRecord(JSON.stringify(record), ring, counting).reasons.includes('signature-limit'))
  })
  it('is refused when the payload or its type is another', () => {
    for (const record of [spec, legacy]) {
      const payload = base64(utf8(JSON.stringify(statementOf({ ...body, run_id: 'other' }))))
      assert.deepEqual(reasons(change(record, ['dsse_envelope', 'payload'], payload)), [
        'dsse-signature-mismatch',
        'dsse-predicate-mismatch',
      ])
      const typed = change(record, ['dsse_envelope', 'payloadType'], 'application/json')
      assert.deepEqual(reasons(typed), ['dsse-signature-mismatch', 'dsse-payload-type'])
    }
    assert.deepEqual(reasons(enveloped(plain, { payloadType: 'application/json' })), ['dsse-payload-type'])
  })
  it('is refused when the payload is spelled in another way, signed or not', () => {
    for (const respell of [(text: string) => text.replace(/=+$/, ''), (text: string) => `${text}\n`]) {
      const payload = respell(payloadOf(spec))
      if (payload === payloadOf(spec)) continue
      assert.deepEqual(reasons(change(spec, ['dsse_envelope', 'payload'], payload)), ['dsse-payload-encoding'])
    }
  })
  it('is refused when the payload is no statement', () => {
    for (const form of ['spec', 'legacy'] as const) {
      const lie = (payload: string) => reasons(enveloped(plain, { form, payload }))
      assert.deepEqual(lie('hello'), ['dsse-payload-not-statement'])
      assert.deepEqual(lie('[]'), ['dsse-payload-not-statement'])
      assert.deepEqual(lie(`\ufeff${JSON.stringify(statementOf(body))}`), ['bom', 'dsse-payload-not-statement'])
      assert.deepEqual(lie(JSON.stringify(statementOf(body, { _type: 'https://in-toto.io/Statement/v0.1' }))), [
        'dsse-payload-not-statement',
      ])
      assert.deepEqual(lie(JSON.stringify(statementOf(body)).replace('{', '{"_type":"x",')), ['duplicate-key'])
      assert.deepEqual(lie(JSON.stringify(statementOf(body)).replace('1780000000000', '9007199254740993')), [
        'number-lossy',
        'dsse-predicate-mismatch',
        'dsse-subject-digest',
      ])
    }
  })
  it('is refused when the statement is about something else', () => {
    const lie = (changes: JsonObject) =>
      reasons(enveloped(plain, { payload: JSON.stringify(statementOf(body, changes)) }))
    const [subject] = statementOf(body)['subject'] as JsonObject[]
    assert.ok(subject)
    assert.deepEqual(lie({ predicateType: 'https://wasmagent.dev/attestations/aep/v9' }), ['dsse-predicate-type'])
    assert.deepEqual(lie({ subject: [{ ...subject, name: 'urn:wasmagent:run:other' }] }), ['dsse-subject-name'])
    assert.deepEqual(lie({ subject: [{ ...subject, digest: { sha256: '0'.repeat(64) } }] }), ['dsse-subject-digest'])
    assert.deepEqual(lie({ subject: [{ ...subject, digest: { sha512: '0' } }] }), ['dsse-subject-digest'])
    assert.deepEqual(lie({ subject: [subject, { ...subject, name: 'x' }] }), ['dsse-subject-name'])
    assert.deepEqual(lie({ subject: [] }), ['dsse-payload-not-statement', 'dsse-subject-name', 'dsse-subject-digest'])
    assert.deepEqual(lie({ predicate: 'x' }), ['dsse-payload-not-statement', 'dsse-predicate-mismatch'])
  })
})

describe('a body that is not what its envelope says', () => {
  it('is refused at every member, whichever form was signed', () => {
    const changes: [readonly (string | number)[], Json | undefined][] = [
      [['run_id'], 'other'],
      [['actions', 0, 'outcome'], 'ok'],
      [['actions'], []],
      [['created_at_ms'], 1],
      [['prev_record_hash'], '0'.repeat(64)],
      [['prev_record_hash'], undefined],
      [['x_note'], 1],
    ]
    for (const record of [spec, legacy]) {
      for (const [path, to] of changes) {
        assert.deepEqual(reasons(change(record, path, to)), ['dsse-predicate-mismatch'], path.join('/'))
      }
    }
  })
  it('is refused when the statement is one of another run, consistent in itself', () => {
    const payload = JSON.stringify(statementOf({ ...body, run_id: 'other' }))
    assert.deepEqual(reasons(enveloped(plain, { payload })), ['dsse-predicate-mismatch'])
  })
  it('may only be ahead of it by the one version the emitter forgets', () => {
    const payload = JSON.stringify(statementOf({ ...body, schema_version: 'aep/v0.2' }))
    assert.deepEqual(reasons(enveloped(plain, { payload })), ['dsse-predicate-mismatch'])
    // The body set back to what the emitter's statement says: the envelope agrees, but vouches for no v0.3 record.
    assert.deepEqual(reasons({ ...legacy, schema_version: 'aep/v0.3' }), ['signature-mismatch'])
  })
})

describe('the signature block beside an envelope', () => {
  it('has to be one of the envelope’s signatures, or hold on its own', () => {
    const block = (member: string, to: Json, keys = ringOfAlice) =>
      reasons(change(spec, ['signature', member], to), keys)
    assert.deepEqual(block('sig', `${'A'.repeat(86)}==`), ['signature-mismatch', 'signature-block-inconsistent'])
    assert.deepEqual(block('sig', 'A'), ['signature-encoding', 'signature-block-inconsistent'])
    assert.deepEqual(block('sig', 'UNSIGNED_PLACEHOLDER'), [
      'unsigned',
      'signature-encoding',
      'signature-block-inconsistent',
    ])
    assert.deepEqual(block('key_id', 'nobody'), ['signature-block-inconsistent', 'key-unknown'])
    assert.deepEqual(block('key_id', 'bob', ringOfBoth), ['signature-mismatch', 'signature-block-inconsistent'])
    assert.deepEqual(block('alg', 'none'), ['schema', 'signature-alg'])
    assert.deepEqual(reasons(change(spec, ['signature'], undefined)), ['signature-missing'])
    assert.deepEqual(reasons({ ...spec, signature: signed(contentOf(spec))['signature'] ?? null }), [])
  })
  it('spares no older record its own signature', () => {
    const older = signed(plain)
    const foreign = enveloped(plainRecord({ run_id: 'other' }))['dsse_envelope'] ?? null
    assert.deepEqual(reasons({ ...older, dsse_envelope: foreign }), [
      'signature-block-inconsistent',
      'dsse-predicate-mismatch',
    ])
    assert.deepEqual(reasons({ ...older, user_id: 'evil', dsse_envelope: foreign }), [
      'signature-mismatch',
      'signature-block-inconsistent',
      'dsse-predicate-mismatch',
    ])
  })
})

it('an envelope that is none is refused as a broken shape', () => {
  for (const envelope of [null, 1, [], {}, { payloadType: 1, payload: '', signatures: [] }]) {
    assert.ok(reasons({ ...spec, dsse_envelope: envelope as Json }).includes('schema'), JSON.stringify(envelope))
  }
  assert.deepEqual(signatureIn(spec), specSignature(spec, alice))
})
