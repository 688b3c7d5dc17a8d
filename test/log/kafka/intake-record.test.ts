import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Intake } from '../../../src/ledger/entry.ts'
import type { TakenEvent } from '../../../src/log/intake.ts'
import type { KafkaRecord } from '../../../src/log/kafka/client.ts'
import {
  type IntakeJob,
  intakeRecord,
  jobsOf,
  readIntake,
  stampSkewMsMax,
} from '../../../src/log/kafka/intake-record.ts'

const key = new Uint8Array(32).fill(7)
const place = { topic: 'aep.intake', partition: 3 }
const takenAt = '2026-11-01T00:00:00.000Z'
const takenAtMs = Date.parse(takenAt)
const plain: Intake = { by: 'gateway', emitter_sig: 'absent', record_sig: 'not_a_record' }

const eventOf = (n: number, more: Partial<TakenEvent> = {}): TakenEvent => ({
  ...{ source: 'urn:g', id: `e-${n}`, canonical: `{"id":"e-${n}"}`, intake: plain, takenAt },
  ...more,
})
const jobOf = (events: readonly TakenEvent[]): IntakeJob => ({ ledger: 'acme/prod', events, isOwn: false })

/** The record as a consumer has it, taken by the broker at `timestampMs`. */
function stored(job: IntakeJob, timestampMs = takenAtMs + 5, prefix = 'aep'): KafkaRecord {
  const { key: recordKey, value, headers } = intakeRecord(place, prefix, key, job)
  return { offset: 9, key: recordKey, value, headers, timestampMs }
}

describe('a record of intake', () => {
  it('gives back the job that was put into it', () => {
    const verdicts = fc.record(
      {
        by: fc.constantFrom('a', 'b'),
        emitter_sig: fc.constantFrom('absent', 'valid', 'invalid', 'key_unknown'),
        record_sig: fc.constantFrom('not_a_record', 'absent', 'valid'),
      },
      { noNullPrototype: true },
    ) as fc.Arbitrary<Intake>
    const event = fc.record(
      {
        source: fc.string({ unit: 'grapheme' }),
        id: fc.string({ unit: 'grapheme' }),
        canonical: fc.string({ unit: 'grapheme' }).map(text => JSON.stringify({ text })),
        intake: fc.oneof(fc.constant(plain), verdicts),
        takenAt: fc.constant(takenAt),
      },
      { noNullPrototype: true },
    )
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 5 }), fc.boolean(), (events, isOwn) => {
        const job = { ledger: 'acme/prod', events, isOwn }
        assert.deepEqual(readIntake('aep', 3, key, stored(job)), job)
      }),
    )
  })

  it('is not taken when a byte of it is another, or its key, its MAC, the installation or the secret', () => {
    const record = stored(jobOf([eventOf(1)]))
    for (let at = 0; at < record.value.length; at++) {
      const value = Uint8Array.from(record.value)
      value[at] = (value[at] ?? 0) ^ 1
      assert.equal(readIntake('aep', 3, key, { ...record, value }), 'unauthenticated')
    }
    assert.equal(readIntake('aep', 3, key, { ...record, headers: {} }), 'unauthenticated')
    assert.equal(readIntake('aep', 3, key, { ...record, headers: { mac: new Uint8Array(32) } }), 'unauthenticated')
    assert.equal(readIntake('other', 3, key, record), 'unauthenticated')
    assert.equal(readIntake('aep', 2, key, record), 'unauthenticated', 'a copy in another partition')
    assert.equal(readIntake('aep', 3, new Uint8Array(32), record), 'unauthenticated')
    assert.equal(readIntake('aep', 3, key, { ...record, key: 'acme/test' }), 'malformed')
  })

  it('is refused with a stamp far from the moment at which the broker took it', () => {
    const job = jobOf([eventOf(1)])
    for (const skewMs of [-stampSkewMsMax, 0, stampSkewMsMax]) {
      assert.deepEqual(readIntake('aep', 3, key, stored(job, takenAtMs + skewMs)), job)
    }
    for (const skewMs of [-stampSkewMsMax - 1, stampSkewMsMax + 1, Number.NaN]) {
      assert.equal(readIntake('aep', 3, key, stored(job, takenAtMs + skewMs)), 'stamp-out-of-bounds')
    }
  })

  it('holds what Kafka takes in one batch: larger jobs become several, in order', () => {
    const events = Array.from({ length: 2_500 }, (_, n) =>
      eventOf(n, { canonical: `"${'x'.repeat(n % 7 === 0 ? 60_000 : 50)}"` }),
    )
    const parts = [...jobsOf(jobOf(events))]
    assert.deepEqual(
      parts.flatMap(part => part.events),
      events,
    )
    for (const part of parts) assert.ok(intakeRecord(place, 'aep', key, part).value.length < 900_000)
    assert.ok(parts.length > 20)
    assert.deepEqual([...jobsOf(jobOf([]))], [])
  })

  it('holds it in bytes, whatever the letters of events and of their names', () => {
    const letters = ['x', 'é', '語', '😀', '"', '\u0001']
    const event = fc.record({
      letter: fc.constantFrom(...letters),
      length: fc.integer({ min: 1, max: 16_000 }),
      name: fc.constantFrom(...letters),
      nameLength: fc.integer({ min: 1, max: 500 }),
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 300 }), shapes => {
        const events = shapes.map(({ letter, length, name, nameLength }, n) =>
          eventOf(n, {
            canonical: JSON.stringify(letter.repeat(length)),
            source: name.repeat(nameLength),
            id: `${n}${name.repeat(nameLength)}`,
          }),
        )
        const parts = [...jobsOf(jobOf(events))]
        assert.deepEqual(
          parts.flatMap(part => part.events),
          events,
        )
        for (const part of parts) assert.ok(intakeRecord(place, 'aep', key, part).value.length < 900_000)
      }),
      { numRuns: 30 },
    )
  })

  it('holds one stamp: events of another moment are another job', () => {
    const later = eventOf(2, { takenAt: '2026-11-01T00:00:01.000Z' })
    assert.equal([...jobsOf(jobOf([eventOf(1), later]))].length, 2)
  })
})
