import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Json } from '../../src/aep/json.ts'
import { parseKeys } from '../../src/aep/keyring.ts'
import { hex } from '../../src/base/bytes.ts'

const aHex = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const aBase64 = Buffer.from(aHex, 'hex').toString('base64')
const ring = (json: Json) => {
  const parsed = parseKeys(json)
  return parsed.ok ? parsed.keys : assert.fail(JSON.stringify(parsed.errors))
}
const pointers = (json: Json) => {
  const parsed = parseKeys(json)
  return parsed.ok ? [] : parsed.errors.map(({ pointer }) => pointer)
}

describe('a key file', () => {
  it('is an array, or an object of one', () => {
    const key = { key_id: 'k', public_hex: aHex }
    for (const json of [[key], { keys: [key] }]) {
      assert.deepEqual(
        [...ring(json)].map(([id, keys]) => [id, keys.map(one => hex(one.publicKey))]),
        [['k', [aHex]]],
      )
    }
  })
  it('spells a key in hex or base64, or both the same', () => {
    for (const key of [
      { public_hex: aHex },
      { public_b64: aBase64 },
      { public_hex: aHex, public_b64: aBase64 },
      { public_hex: aHex.toUpperCase() },
    ]) {
      assert.equal(
        hex(ring([{ key_id: 'k', alg: 'ed25519', ...key }]).get('k')?.[0]?.publicKey ?? new Uint8Array()),
        aHex,
      )
    }
  })
  it('may say when a key is valid, and hold several under one id', () => {
    const keys = ring([
      { key_id: 'k', public_hex: aHex, not_before_ms: 1, not_after_ms: 2 },
      { key_id: 'k', public_hex: aHex, not_before_ms: 5 },
    ])
    assert.deepEqual(
      keys.get('k')?.map(({ notBeforeMs, notAfterMs }) => [notBeforeMs, notAfterMs]),
      [
        [1, 2],
        [5, undefined],
      ],
    )
  })
  it('may hold members that say nothing here', () =>
    assert.equal(ring([{ key_id: 'k', public_hex: aHex, seed_hex: 'x', note: 1 }]).size, 1))
  it('is refused with a pointer to each fault', () => {
    assert.deepEqual(pointers({}), ['/keys'])
    assert.deepEqual(pointers('x'), [''])
    assert.deepEqual(pointers([1, {}]), ['/0', '/1/key_id', '/1'])
    assert.deepEqual(pointers([{ key_id: '', public_hex: 'xx', alg: 'rsa' }]), ['/0/key_id', '/0/alg', '/0/public_hex'])
    assert.deepEqual(pointers({ keys: [{ key_id: 'k', public_b64: 'AA' }] }), ['/keys/0/public_b64'])
    assert.deepEqual(pointers([{ key_id: 'k', public_hex: aHex, public_b64: 'AAAA' }]), ['/0/public_b64'])
    assert.deepEqual(pointers([{ key_id: 'k', public_hex: aHex, not_before_ms: '1', not_after_ms: null }]), [
      '/0/not_before_ms',
      '/0/not_after_ms',
    ])
  })
})
