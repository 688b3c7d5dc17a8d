import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pae } from '../../src/aep/dsse.ts'
import type { Json } from '../../src/aep/json.ts'
import { base64, hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { entryEnvelope, keyIdOf, parseEntryEnvelope, signingInput } from '../../src/ledger/signature.ts'
import { alice } from '../support/aep.ts'

const bytes = utf8('{"event":{}}')
const signature = new Uint8Array(nodeSuite.sign(alice.seed, signingInput(bytes)))
const envelope = entryEnvelope({ bytes, signature }, 'key-1')

describe("an entry's signature", () => {
  it('covers the DSSE v1 encoding of the type and the bytes', () => {
    assert.equal(
      new TextDecoder().decode(signingInput(utf8('é'))),
      'DSSEv1 37 application/vnd.aep-ledger.entry+json 2 é',
    )
    for (const length of [0, 1, 9, 10, 999, 65_535]) {
      const body = new Uint8Array(length).fill(length)
      assert.deepEqual(signingInput(body), pae('application/vnd.aep-ledger.entry+json', body))
    }
    assert.ok(nodeSuite.verify(alice.publicKey, signingInput(bytes), signature))
  })

  it('is under a key whose id is the beginning of its SHA-256', () => {
    const id = keyIdOf(nodeSuite, alice.publicKey)
    assert.equal(id, hex(nodeSuite.sha256(alice.publicKey)).slice(0, 32))
    assert.match(id, /^[0-9a-f]{32}$/)
  })
})

describe('an exported entry', () => {
  it('is a DSSE envelope, and comes back as it was', () => {
    assert.deepEqual(Object.keys(envelope), ['payloadType', 'payload', 'signatures'])
    assert.deepEqual(parseEntryEnvelope(JSON.parse(JSON.stringify(envelope)) as Json), {
      ok: true,
      bytes,
      signature,
      keyId: 'key-1',
    })
  })

  const [first] = envelope.signatures
  const broken = [
    ['no envelope', { payload: 'x' }, /no DSSE envelope/],
    ['another type', { ...envelope, payloadType: 'application/json' }, /payload type is "application\/json"/],
    ['a payload that is not base64', { ...envelope, payload: 'e30' }, /not padded base64/],
    ['no signature', { ...envelope, signatures: [] }, /exactly one/],
    ['two signatures', { ...envelope, signatures: [first, first] }, /exactly one/],
    ['a signature without a key', { ...envelope, signatures: [{ sig: first.sig }] }, /names no key/],
    ['a short signature', { ...envelope, signatures: [{ ...first, sig: base64(signature.slice(1)) }] }, /not 64 bytes/],
    ['a signature with a line end', { ...envelope, signatures: [{ ...first, sig: `${first.sig}\n` }] }, /not 64 bytes/],
  ] as const
  for (const [what, json, detail] of broken) {
    it(`is refused as ${what}`, () => {
      const parsed = parseEntryEnvelope(json as unknown as Json)
      assert.equal(parsed.ok, false)
      assert.match(parsed.ok ? '' : parsed.detail, detail)
    })
  }
})
