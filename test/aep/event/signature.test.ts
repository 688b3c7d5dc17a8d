import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalText } from '../../../src/aep/canonical.ts'
import type { AepEvent } from '../../../src/aep/event/schema.ts'
import { emitterSigningInput, emitterSigVerdict, recordSigVerdict } from '../../../src/aep/event/signature.ts'
import type { Json } from '../../../src/aep/json.ts'
import { keyRing, parseKeys } from '../../../src/aep/keyring.ts'
import { base64, concat, utf8 } from '../../../src/base/bytes.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { alice, bob, ringOfAlice, ringOfBoth } from '../../support/aep.ts'
import { conformanceLines, conformanceSkip, conformanceText } from '../../support/conformance.ts'
import { smallestDecision } from '../../vectors/events.ts'

const event: AepEvent = { ...smallestDecision, emitterkeyid: 'alice' }
const signed = (by: typeof alice, what: AepEvent = event): AepEvent => ({
  ...what,
  emittersig: base64(nodeSuite.sign(by.seed, emitterSigningInput(what))),
})
const verdict = (what: AepEvent, keys = ringOfBoth) => emitterSigVerdict(what, keys, nodeSuite)

describe("an emitter's signature", () => {
  it('covers the DSSE encoding of the event without it, in RFC 8785 form', () => {
    const body = utf8(canonicalText(event as Json))
    const expected = concat(utf8(`DSSEv1 28 application/cloudevents+json ${body.length} `), body)
    assert.deepEqual(emitterSigningInput(signed(alice)), expected)
  })

  it('is absent, valid, invalid, or under a key that nobody knows', () => {
    assert.equal(verdict(event), 'absent')
    assert.equal(verdict(signed(alice)), 'valid')
    assert.equal(verdict(signed(bob)), 'invalid')
    assert.equal(verdict({ ...signed(alice), emitterkeyid: 'bob' }), 'invalid')
    assert.equal(verdict({ ...signed(alice), emitterkeyid: 'carol' }), 'key_unknown')
    const { emitterkeyid: _, ...unnamed } = signed(alice)
    assert.equal(verdict(unnamed), 'key_unknown')
    assert.equal(verdict(signed(alice), keyRing([])), 'key_unknown')
  })

  it('stops holding when anything of the event is changed', () => {
    assert.equal(verdict({ ...signed(alice), id: '2' }), 'invalid')
    assert.equal(verdict({ ...signed(alice), sequence: 1 }), 'invalid')
  })

  it('is invalid in any other spelling', () => {
    const { emittersig = '' } = signed(alice)
    for (const odd of [
      '',
      'x',
      `${emittersig}\n`,
      emittersig.slice(0, -4),
      emittersig.replace(/=/g, ''),
      'A'.repeat(88),
    ]) {
      assert.equal(verdict({ ...event, emittersig: odd }), 'invalid', odd)
      assert.equal(verdict({ ...event, emittersig: odd, emitterkeyid: 'carol' }), 'invalid', odd)
    }
  })

  it('holds under one of several keys of the id', () => {
    const ring = keyRing([{ ...bob, keyId: 'alice' }, alice])
    assert.equal(verdict(signed(alice), ring), 'valid')
  })

  it('needs a key that is for the source of the event', () => {
    const only = (...sources: string[]) => keyRing([{ ...alice, sources }])
    assert.equal(verdict(signed(alice), only()), 'valid')
    assert.equal(verdict(signed(alice), only('urn:other:', 'urn:g')), 'valid')
    assert.equal(verdict(signed(alice), only('urn:other:')), 'key_unknown')
  })

  it('needs a key that is in force at the time of the event, to the ms', () => {
    const atMs = Date.parse(smallestDecision.time)
    const within = (notBeforeMs: number, notAfterMs: number) => keyRing([{ ...alice, notBeforeMs, notAfterMs }])
    assert.equal(verdict(signed(alice), within(atMs, atMs)), 'valid')
    assert.equal(verdict(signed(alice), within(atMs + 1, atMs + 2)), 'key_unknown')
    assert.equal(verdict(signed(alice), within(atMs - 2, atMs - 1)), 'key_unknown')
    const { time: _, ...timeless } = event
    assert.equal(verdict(signed(alice, timeless), within(0, atMs)), 'key_unknown')
    assert.equal(verdict(signed(alice, timeless)), 'valid')
  })
})

describe("the verdict on a record's signature", () => {
  const holding = (record: string): AepEvent => ({ ...smallestDecision, type: 'aep.record', data: { record } })

  it('is for records only', () => assert.equal(recordSigVerdict(event, ringOfAlice, nodeSuite), 'not_a_record'))

  it('is on the text that came, or on the one beside the log', () => {
    const unsigned = '{"schema_version":"aep/v0.1","run_id":"r","created_at_ms":1}'
    assert.equal(recordSigVerdict(holding(unsigned), ringOfAlice, nodeSuite), 'absent')
    assert.equal(recordSigVerdict(holding('{'), ringOfAlice, nodeSuite), 'invalid')
    const data = { record_digest: '0'.repeat(64), record_length: 1 }
    const beside: AepEvent = { ...smallestDecision, type: 'aep.record', data }
    assert.equal(recordSigVerdict(beside, ringOfAlice, nodeSuite), 'absent')
    assert.equal(recordSigVerdict(beside, ringOfAlice, nodeSuite, '{'), 'invalid')
  })

  it('holds for a record of the reference, until a byte of it is changed', { skip: conformanceSkip }, () => {
    const [line] = conformanceLines('vectors/valid-records.jsonl') as { input: { text: string }; keyring: string[] }[]
    const text = line?.input.text ?? ''
    const known = conformanceKeys()
    assert.equal(recordSigVerdict(holding(text), known, nodeSuite), 'valid')
    assert.equal(recordSigVerdict(holding(text), ringOfAlice, nodeSuite), 'key_unknown')
    const changed = text.replace('"run_id":"', '"run_id":"x')
    assert.notEqual(changed, text)
    assert.equal(recordSigVerdict(holding(changed), known, nodeSuite), 'invalid')
  })
})

function conformanceKeys() {
  const parsed = parseKeys(JSON.parse(conformanceText('keys.json')) as Json)
  assert.ok(parsed.ok)
  return parsed.keys
}
