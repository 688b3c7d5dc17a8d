import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readCursor, writeCursor } from '../../src/contract/cursor.ts'
import { nodeSuite } from '../../src/crypto/node.ts'

describe('a cursor', () => {
  it('gives back its numbers to the question that it belongs to, and to no other', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.array(fc.double({ noNaN: true }), { maxLength: 4 }),
        (scope, other, numbers) => {
          const text = writeCursor(nodeSuite, scope, numbers)
          assert.deepEqual(readCursor(nodeSuite, scope, text, numbers.length), numbers)
          assert.equal(readCursor(nodeSuite, scope, text, numbers.length + 1), undefined)
          if (other !== scope) assert.equal(readCursor(nodeSuite, other, text, numbers.length), undefined)
        },
      ),
    )
  })

  it('is refused with any one character changed, left out, doubled or added', () => {
    const text = writeCursor(nodeSuite, 'scope', [1_767_225_600_000, 41])
    for (let n = 0; n < text.length; n++) {
      for (const letter of ['A', 'b', '7', '-', '_', '=', '+', ' ', '']) {
        const changed = text.slice(0, n) + letter + text.slice(n + 1)
        if (changed !== text) assert.equal(readCursor(nodeSuite, 'scope', changed, 2), undefined, changed)
      }
      const doubled = text.slice(0, n) + text.slice(n, n + 1) + text.slice(n)
      assert.equal(readCursor(nodeSuite, 'scope', doubled, 2), undefined, doubled)
    }
    assert.equal(readCursor(nodeSuite, 'scope', '', 2), undefined)
  })

  it('needs no escaping in an address', () => {
    assert.match(writeCursor(nodeSuite, 'scope', [-1.5, Number.MAX_SAFE_INTEGER]), /^[A-Za-z0-9_-]+$/)
  })
})
