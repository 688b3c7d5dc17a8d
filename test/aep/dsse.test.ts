import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pae, parseEnvelope } from '../../src/aep/dsse.ts'
import type { Json } from '../../src/aep/json.ts'
import { utf8 } from '../../src/base/bytes.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('the pre-authentication encoding', () => {
  it('is that of the DSSE specification’s example', () =>
    assert.equal(
      text(pae('http://example.com/HelloWorld', utf8('hello world'))),
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    ))
  it('counts bytes, not characters', () => assert.equal(text(pae('é', utf8('€€'))), 'DSSEv1 2 é 6 €€'))
  it('keeps apart what runs together', () => {
    assert.equal(text(pae('', utf8(''))), 'DSSEv1 0  0 ')
    assert.notDeepEqual(pae('a 1 b', utf8('')), pae('a', utf8('1 b')))
  })
})

describe('an envelope', () => {
  const good: Json = { payloadType: 't', payload: 'aGk=', signatures: [{ keyid: 'k', sig: 's' }, { sig: '' }] }
  it('is read with its payload decoded and as it is spelled', () => {
    const parsed = parseEnvelope(good)
    assert.ok(parsed.ok)
    const { payload, payloadText, signatures } = parsed.envelope
    assert.equal(text(payload), 'hi')
    assert.equal(payloadText, 'aGk=')
    assert.equal(signatures.length, 2)
  })
  it('may have no signature, which is for the judge to say', () =>
    assert.ok(parseEnvelope({ payloadType: 't', payload: '', signatures: [] }).ok))
  it('is none in another shape', () => {
    const shapes: Json[] = [
      null,
      [],
      'x',
      {},
      { ...good, payloadType: 1 },
      { ...good, payload: null },
      { ...good, signatures: {} },
      { ...good, signatures: ['s'] },
      { ...good, signatures: [{ keyid: 'k' }] },
      { ...good, signatures: [{ keyid: 1, sig: 's' }] },
    ]
    for (const shape of shapes)
      assert.deepEqual(parseEnvelope(shape), { ok: false, problem: 'shape' }, JSON.stringify(shape))
  })
  it('is none when its payload is spelled in another way than the one', () => {
    for (const payload of ['aGk', 'aGk= ', 'aG\nk=', 'aGl=', '-_8=', 'aGk==', '!']) {
      assert.deepEqual(parseEnvelope({ ...good, payload }), { ok: false, problem: 'encoding' }, payload)
    }
  })
})
