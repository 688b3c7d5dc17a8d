import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalText } from '../../src/aep/canonical.ts'
import { utf8 } from '../../src/base/bytes.ts'
import {
  type EntryFrame,
  emitterSigVerdicts,
  encodeEntry,
  type LeafHash,
  recordSigVerdicts,
  type Seq,
} from '../../src/ledger/entry.ts'
import { frameIndex, frameIndexIn, isEventOf } from '../../src/ledger/frame-place.ts'

const frameStart = ',"intake":{"by":"'
const names = (max: number) => fc.stringMatching(/^[a-z0-9]+$/, { maxLength: max })
const frames: fc.Arbitrary<EntryFrame> = fc.record({
  ledger: names(128),
  seq: fc.nat(Number.MAX_SAFE_INTEGER).map(n => n as Seq),
  prev: fc.constant('f'.repeat(64) as LeafHash),
  recorded_at: fc.constant('2026-01-01T00:00:00.000Z'),
  key_id: fc.constant('0'.repeat(32)),
  intake: fc.record({
    by: names(32),
    emitter_sig: fc.constantFrom(...emitterSigVerdicts),
    record_sig: fc.constantFrom(...recordSigVerdicts),
  }),
})
const shortest: EntryFrame = {
  ...{ ledger: 'l', seq: 0 as Seq, prev: '0'.repeat(64) as LeafHash, recorded_at: '2026-01-01T00:00:00.000Z' },
  ...{ key_id: '0'.repeat(32), intake: { by: 'b', emitter_sig: 'valid', record_sig: 'valid' } },
}
const texts = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(`"}${frameStart}`, '{', '"type":"aep.record"'))
const types = fc.constantFrom('aep.record', 'aep.lease.used', 'aep.ledger.created')

describe('the frame of an entry', () => {
  it('is found from behind, in text and in bytes, whatever its lengths and whatever the event says', () => {
    fc.assert(
      fc.property(fc.oneof(frames, fc.constant(shortest)), texts, types, (frame, says, type) => {
        const bytes = encodeEntry(frame, canonicalText({ data: { [says]: says }, source: says, type }))
        const text = new TextDecoder().decode(bytes)
        const at = text.lastIndexOf(frameStart)
        assert.equal(frameIndex(text), at)
        assert.equal(frameIndexIn(bytes), utf8(text.slice(0, at)).length)
        assert.equal(isEventOf(bytes, [utf8(`${type}"`)]), true)
        assert.equal(isEventOf(bytes, [utf8(type.slice(0, -2))]), true)
        assert.equal(isEventOf(bytes, [utf8(`${type.slice(0, -2)}"`), utf8('aep.receipt')]), false)
      }),
    )
  })

  it('is nowhere in what is no entry, and looking for it ends', () => {
    for (const text of ['', frameStart, 'x'.repeat(1000), frameStart.repeat(3)]) {
      assert.equal(frameIndex(text), -1)
      frameIndexIn(utf8(text))
      assert.equal(isEventOf(utf8(text), [utf8('aep.')]), false)
    }
  })
})
