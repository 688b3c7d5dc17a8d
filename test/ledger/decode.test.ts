import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalText } from '../../src/aep/canonical.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { textOf, utf8 } from '../../src/base/bytes.ts'
import { decodeEntry, type EntryFaultCode, readEntry } from '../../src/ledger/decode.ts'
import {
  type EntryFrame,
  emitterSigVerdicts,
  encodeEntry,
  entryBytesMax,
  type LeafHash,
  recordSigVerdicts,
  type Seq,
  zeroHash,
} from '../../src/ledger/entry.ts'
import { attributes, fullData, smallestDecision } from '../vectors/events.ts'

const frame: EntryFrame = {
  ledger: 'acme/prod',
  seq: 7 as Seq,
  prev: zeroHash,
  recorded_at: '2026-01-01T00:00:00.000Z',
  key_id: '0123456789abcdef'.repeat(2),
  intake: { by: 'gateway-1', emitter_sig: 'absent', record_sig: 'not_a_record' },
}
const bytes = encodeEntry(frame, canonicalText(smallestDecision))
const text = textOf(bytes) ?? ''
const entry: JsonObject = { ...(JSON.parse(text) as JsonObject) }

const faultOf = (input: Uint8Array | string | JsonObject) => {
  const decoding = decodeEntry(
    typeof input === 'string' ? utf8(input) : input instanceof Uint8Array ? input : utf8(canonicalText(input)),
  )
  return decoding.ok ? 'ok' : `${decoding.fault.code} ${decoding.fault.pointer}`.trim()
}
const codeOf = (input: Uint8Array | string) => faultOf(input).split(' ')[0] as EntryFaultCode | 'ok'

const frames = fc.record({
  ledger: fc.constantFrom('default', 'acme/prod', 'a.b/c_d-e', `${'x/'.repeat(63)}xx`),
  seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }) as fc.Arbitrary<Seq>,
  prev: fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'),
    minLength: 64,
    maxLength: 64,
  }) as fc.Arbitrary<LeafHash>,
  recorded_at: fc.integer({ min: 0, max: 4e12 }).map(ms => new Date(ms).toISOString()),
  key_id: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 }),
  intake: fc.record({
    by: fc.constantFrom('ledger', 'a', '0-_', 'x'.repeat(32)),
    emitter_sig: fc.constantFrom(...emitterSigVerdicts),
    record_sig: fc.constantFrom(...recordSigVerdicts),
  }),
})

/** Events whose arguments are any JSON, odd names and texts included. */
const events = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.dictionary(fc.string(), fc.integer()),
  )
  .map(([args, id, coverage]) => ({
    ...smallestDecision,
    id,
    data: {
      ...smallestDecision.data,
      args: JSON.parse(args) as Json,
      state_before: { digest: '0'.repeat(16), coverage },
    },
  }))
  .filter(event => !JSON.stringify(event).includes('\\ud') && !JSON.stringify(event).includes('__proto__'))

describe('an entry', () => {
  it('is written as the RFC 8785 form of what it says, whatever that is', () => {
    fc.assert(
      fc.property(frames, events, (some, event) => {
        const made = encodeEntry(some, canonicalText(event as Json))
        const said = { v: 'aep-ledger/v1', ...some, event } as unknown as Json
        assert.equal(textOf(made), canonicalText(said))
      }),
    )
  })

  it('is read back as it was written, strictly and cheaply alike', () => {
    fc.assert(
      fc.property(frames, events, (some, event) => {
        const made = encodeEntry(some, canonicalText(event as Json))
        const decoding = decodeEntry(made)
        assert.ok(decoding.ok, JSON.stringify(decoding))
        assert.deepEqual(decoding.entry, readEntry(made))
        assert.deepEqual({ ...readEntry(made).intake }, { ...some.intake })
      }),
    )
  })

  it('may hold an event of any type', () => {
    for (const [type, shapes] of Object.entries(fullData)) {
      for (const data of shapes) {
        const made = encodeEntry(frame, canonicalText({ ...attributes, type, data } as Json))
        assert.equal(decodeEntry(made).ok, true, type)
      }
    }
  })

  it('has one spelling: bytes that say the same in another way are refused', () => {
    const others = [
      text.replace('"seq":7', '"seq":7.0'),
      text.replace('"seq":7', '"seq":70e-1'),
      text.replace('{"event"', '{ "event"'),
      `${text} `,
      ` ${text}`,
      `${text}\n`,
      text.replace('"by":"gateway-1"', '"by":"g\\u0061teway-1"'),
      text.replace('"run_id":"r"', '"run_id":"\\u0072"'),
      text.replace('"id":"1"', '"id":"1","id":"1"'),
      text.replace('"id":"1","source":"urn:g"', '"source":"urn:g","id":"1"'),
      JSON.stringify(JSON.parse(text), null, 1),
      JSON.stringify({ v: entry['v'], ...entry }),
    ]
    for (const other of others) {
      assert.deepEqual(JSON.parse(other), entry)
      assert.equal(faultOf(other), 'not-canonical', other)
    }
  })

  it('knows canonical order where names look like indices, which engines put first', () => {
    const args = { 10: 1, 9: 2, a: { 2: 0, 11: 0, '': 0 }, '-1': 3 }
    const event = { ...smallestDecision, data: { ...smallestDecision.data, args } }
    const canonical = canonicalText(event)
    assert.match(canonical, /"args":\{"-1":3,"10":1,"9":2,"a":\{"":0,"11":0,"2":0\}\}/)
    assert.equal(decodeEntry(encodeEntry(frame, canonical)).ok, true)
    assert.equal(faultOf(encodeEntry(frame, canonical.replace('"10":1,"9":2', '"9":2,"10":1'))), 'not-canonical')
  })

  it('is refused with half a surrogate pair, and not with a text that only looks like one', () => {
    const of = (id: string) => encodeEntry(frame, canonicalText({ ...smallestDecision, id: 'ID' }).replace('ID', id))
    assert.equal(faultOf(of('\\\\ud800')), 'ok')
    assert.equal(faultOf(of('\ud83d\ude00')), 'ok')
    assert.equal(faultOf(of('\\ud800')), 'not-canonical')
  })
})

describe('bytes that are no entry', () => {
  it('are told by what is wrong first', () => {
    assert.equal(codeOf(new Uint8Array(entryBytesMax + 1)), 'too-large')
    assert.equal(codeOf(Uint8Array.of(0xff)), 'not-utf8')
    assert.equal(codeOf('\ufeff{}'), 'not-json')
    for (const junk of ['', '{', text.slice(0, -1), `${text}}`, 'undefined'])
      assert.equal(codeOf(junk), 'not-json', junk)
    for (const other of ['[]', '5', 'null', '"x"']) assert.equal(codeOf(other), 'member-invalid', other)
    assert.equal(faultOf({ ...entry, v: 'aep-ledger/v2' }), 'version-unknown /v')
    assert.equal(faultOf({ ...entry, v: 1 }), 'version-unknown /v')
  })

  it('have too few members, or too many', () => {
    for (const name of Object.keys(entry)) {
      const { [name]: _, ...less } = entry
      assert.equal(faultOf(less), `member-missing /${name}`)
    }
    for (const name of ['intake.by', 'x', 'sequence', '__proto__', 'a/b']) {
      const more = `${text.slice(0, -1)},"${name}":1}`
      assert.equal(faultOf(more), `member-unknown /${name.replace('/', '~1')}`)
    }
    const { by, ...less } = entry['intake'] as JsonObject
    assert.equal(faultOf({ ...entry, intake: less }), 'member-missing /intake/by')
    assert.equal(faultOf({ ...entry, intake: { by: by ?? '', ...less, at: 1 } }), 'member-unknown /intake/at')
  })

  const wrong = [
    ['event', [null, [], 'x', 5]],
    ['intake', [null, [], 'x']],
    ['key_id', [null, '', 'x', 'A'.repeat(32), '0'.repeat(31), '0'.repeat(33), 5]],
    ['ledger', [null, '', '/', 'a/', '/a', 'a//b', '.', '..', 'a/../b', 'a/.', 'A', 'a b', 'x'.repeat(129), 5]],
    ['prev', [null, '', '0'.repeat(63), '0'.repeat(65), 'A'.repeat(64)]],
    ['recorded_at', [null, '', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000+00:00', '2026-02-30T00:00:00.000Z', 5]],
    ['seq', [null, -1, 0.5, 2 ** 53, '7']],
  ] as const
  for (const [name, values] of wrong) {
    it(`have a ${name} that is none`, () => {
      for (const value of values)
        assert.equal(faultOf({ ...entry, [name]: value } as JsonObject), `member-invalid /${name}`, String(value))
    })
  }

  it('have an intake that says what intake can not', () => {
    const intake = entry['intake'] as JsonObject
    for (const by of ['', 'x'.repeat(33), 'A', 'a b', 'a"b', 5]) {
      assert.equal(faultOf({ ...entry, intake: { ...intake, by } }), 'member-invalid /intake/by')
    }
    assert.equal(faultOf({ ...entry, intake: { ...intake, emitter_sig: 'ok' } }), 'member-invalid /intake/emitter_sig')
    assert.equal(faultOf({ ...entry, intake: { ...intake, record_sig: 'ok' } }), 'member-invalid /intake/record_sig')
  })

  it('have an event that fits no schema, and then still say their own members', () => {
    const decoding = decodeEntry(
      encodeEntry(frame, canonicalText({ ...smallestDecision, data: { decision: 'maybe' } })),
    )
    assert.equal(decoding.ok, false)
    if (decoding.ok) return
    assert.equal(decoding.fault.code, 'event-invalid')
    assert.equal(decoding.fault.pointer, '/event/data/decision')
    assert.equal(decoding.frame?.prev, frame.prev)
    assert.equal(
      faultOf(encodeEntry(frame, '{"id":"1","source":"urn:g","specversion":"1.0","type":"aep.hold"}')),
      'event-invalid /event/type',
    )
  })

  it('hide no second frame inside the event', () => {
    const { event: _, ...others } = entry
    const args = { ...others, seq: 8, v: 'aep-ledger/v1' } as JsonObject
    const event = { ...smallestDecision, data: { ...smallestDecision.data, args: { z: args } } }
    const decoding = decodeEntry(encodeEntry(frame, canonicalText(event)))
    assert.equal(decoding.ok && decoding.entry.seq, 7)
    const tailText = text.slice(text.lastIndexOf(',"intake":'))
    for (const forged of [`${text}${tailText}`, `${text.slice(0, -1)}${tailText}`, text + text]) {
      assert.notEqual(codeOf(forged), 'ok')
    }
  })

  it('never make the reader throw, whichever byte of an entry is changed, and never pass for it', () => {
    const original = JSON.stringify(readEntry(bytes))
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 2, 4, 32, 128]) {
        const flipped = bytes.slice()
        flipped[at] = (flipped[at] ?? 0) ^ bit
        const decoding = decodeEntry(flipped)
        if (decoding.ok) assert.notEqual(JSON.stringify(decoding.entry), original)
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), junk => assert.notEqual(codeOf(junk), 'ok')))
  })

  it('are read without a stack, however deep', () => {
    const depth = 20_000
    const args = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const event = canonicalText(smallestDecision).replace('"decision"', `"args":${args},"decision"`)
    const decoding = decodeEntry(encodeEntry(frame, event))
    assert.equal(decoding.ok, true)
  })
})
