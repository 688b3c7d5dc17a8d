import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isDateTime, momentMs, momentText } from '../../src/aep/time.ts'

const earliestMs = Date.parse('0000-01-01T00:00:00.000Z')
const latestMs = Date.parse('9999-12-31T23:59:59.999Z')

describe('a moment', () => {
  it('reads as ECMAScript writes it, over all the years that RFC 3339 has', () => {
    fc.assert(
      fc.property(fc.integer({ min: earliestMs, max: latestMs }), ms => {
        assert.equal(momentMs(new Date(ms).toISOString()), ms)
        assert.equal(momentText(ms), new Date(ms).toISOString())
      }),
    )
    for (const ms of [earliestMs, latestMs]) assert.equal(momentMs(momentText(ms) ?? ''), ms)
  })

  const spellings = [
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01t00:00:00z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T02:30:00+02:30', '2026-01-01T00:00:00.000Z'],
    ['2025-12-31T23:00:00-01:00', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T00:00:00-00:00', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.500Z'],
    ['2026-01-01T00:00:00.0009Z', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T00:00:00.123999999Z', '2026-01-01T00:00:00.123Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60.9Z', '2017-01-01T00:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
  ] as const
  for (const [spelled, meant] of spellings) {
    it(`${spelled} is ${meant}`, () => assert.equal(momentMs(spelled), Date.parse(meant)))
  }

  it('as a bare date begins in UTC, and is no date-time', () => {
    assert.equal(momentMs('2026-09-07'), Date.parse('2026-09-07T00:00:00.000Z'))
    assert.equal(isDateTime('2026-09-07'), false)
  })

  const none = [
    ['', 'nothing'],
    ['never', 'a word'],
    ['1788773540515', 'a number of ms'],
    ['2026-01-01T00:00:00', 'a local time'],
    ['2026-01-01 00:00:00Z', 'a blank between'],
    ['2026-01-01T00:00Z', 'no seconds'],
    ['2026-1-1T00:00:00Z', 'short numbers'],
    ['2026-02-29T00:00:00Z', 'a day that the month has not'],
    ['1900-02-29T00:00:00Z', 'a day that the century has not'],
    ['2026-04-31T00:00:00Z', 'a 31st of April'],
    ['2026-00-01T00:00:00Z', 'month 0'],
    ['2026-13-01T00:00:00Z', 'month 13'],
    ['2026-01-00T00:00:00Z', 'day 0'],
    ['2026-01-01T24:00:00Z', 'hour 24'],
    ['2026-01-01T00:60:00Z', 'minute 60'],
    ['2026-01-01T00:00:61Z', 'second 61'],
    ['2026-01-01T00:00:00.Z', 'a fraction of nothing'],
    ['2026-01-01T00:00:00,5Z', 'a comma'],
    ['2026-01-01T00:00:00+24:00', 'an offset of a day'],
    ['2026-01-01T00:00:00+01:60', 'an offset of 60 minutes'],
    ['2026-01-01T00:00:00+0100', 'an offset without colon'],
    ['2026-01-01T00:00:00Z ', 'a blank behind'],
    ['2026-01-01T00:00:00ZZ', 'two zones'],
    ['+2026-01-01T00:00:00Z', 'a sign'],
    ['12026-01-01T00:00:00Z', 'five digits of year'],
    ['2026-01-01T00:00:00\u0660Z', 'digits of another script'],
  ] as const
  for (const [text, why] of none) {
    it(`is not ${JSON.stringify(text)}: ${why}`, () => assert.equal(momentMs(text), undefined))
  }

  it('has no text outside the years 0 to 9999, or between two ms', () => {
    for (const ms of [earliestMs - 1, latestMs + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal(momentText(ms), undefined)
    }
  })
})
