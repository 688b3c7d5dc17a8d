import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { linesOf } from '../../src/cli/source/lines.ts'
import { eventsOf } from '../../src/cli/sse.ts'
import { clip, shown, table } from '../../src/cli/terminal.ts'

async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0
  for (let n = 0; from < bytes.length; n++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[n % sizes.length] ?? 1)
    yield bytes.subarray(from, from + size)
    from += size
  }
}

const bytes = (text: string) => new TextEncoder().encode(text)

async function read(text: string, sizes: readonly number[]) {
  const lines: { text: string; number: number; offset: number }[] = []
  for await (const some of linesOf(chunked(bytes(text), sizes), 1 << 20)) {
    for (const line of some)
      lines.push({ text: new TextDecoder().decode(line.bytes), number: line.number, offset: line.offset })
  }
  return lines
}

describe('lines of a stream', () => {
  it('are the same however the bytes are cut', async () => {
    const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', ' ', '\r', '"') }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
        async (parts, ended, sizes) => {
          const whole = parts.join('\n') + (ended ? '\n' : '')
          const expected = whole.split('\n').flatMap((line, n) => {
            const plain = line.replace(/\r$/, '')
            return plain === '' ? [] : [{ text: plain, number: n + 1 }]
          })
          const found = await read(whole, sizes)
          assert.deepEqual(
            found.map(({ text, number }) => ({ text, number })),
            expected,
          )
        },
      ),
    )
  })

  it('know how far the reading is', async () => {
    assert.deepEqual(
      (await read('ab\ncd\n', [3])).map(({ offset }) => offset),
      [3, 6],
    )
  })

  it('are refused when one has no end in sight', async () => {
    const endless = (async () => {
      for await (const _ of linesOf(chunked(bytes('x'.repeat(100)), [10]), 50)) assert.fail('a line came')
    })()
    await assert.rejects(endless, /Line 1 is over 50 bytes/)
  })
})

describe('events of a stream', () => {
  it('are the same however the bytes are cut, and one that breaks off is none', async () => {
    const text = ': hello\n\nid: 1\nevent: entry\ndata: {"a":1}\n\nid:2\ndata: é\ndata: b\r\n\r\ndata: cut'
    for (const sizes of [[], [1], [2, 5], [7]]) {
      const events = []
      for await (const event of eventsOf(chunked(bytes(text), sizes))) events.push(event)
      assert.deepEqual(events, [
        { id: '1', name: 'entry', data: '{"a":1}' },
        { id: '2', name: 'message', data: 'é\nb' },
      ])
    }
  })
})

describe('what a terminal is shown', () => {
  it('has no control characters of somebody else’s', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        text => !/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(shown(text)),
      ),
    )
    assert.equal(shown('a\u001b[31mb\u202e'), 'a\\u001b[31mb\\u202e')
  })

  it('stands in columns, whatever its colours', () => {
    const rows = [
      ['a', 'bb', 'c'],
      ['\u001b[31mlonger\u001b[0m', 'b', ''],
    ]
    assert.deepEqual(table(rows, [1]), ['a       bb  c', '\u001b[31mlonger\u001b[0m   b'])
  })

  it('is cut with a sign of it', () => {
    assert.equal(clip('abcdef', 4), 'abc…')
    assert.equal(clip('abcd', 4), 'abcd')
  })
})
