import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { base64, fromBase64 } from '../../src/base/bytes.ts'

describe('base64', () => {
  it('gives back the bytes it spelled, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        const text = base64(bytes)
        assert.equal(text, Buffer.from(bytes).toString('base64'))
        assert.deepEqual(fromBase64(text), bytes)
      }),
      { numRuns: 500, seed: 4648 },
    )
  })

  it('has one spelling for each byte string', () => {
    const digit = fc.constantFrom('A', 'B', 'g', '/', '+', '9', '=', '-', '_', ' ', '\n', 'é', '\u0141')
    fc.assert(
      fc.property(fc.array(digit, { maxLength: 9 }), digits => {
        const text = digits.join('')
        const bytes = fromBase64(text)
        if (bytes) assert.equal(base64(bytes), text)
        else assert.notEqual(Buffer.from(text, 'base64').toString('base64'), text)
      }),
      { numRuns: 20_000, seed: 4648 },
    )
  })

  it('refuses what lenient readers take', () => {
    assert.deepEqual(fromBase64(''), new Uint8Array())
    assert.deepEqual(fromBase64('+/8='), Uint8Array.of(0xfb, 0xff))
    for (const text of ['+/8', '-_8=', '+/9=', '+/8==', '+/8= ', '+/\n8=', '====', '=', 'A===', 'AB==', '+/8=AAAA']) {
      assert.equal(fromBase64(text), undefined, JSON.stringify(text))
    }
  })
})
