import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { momentMs } from '../../src/contract/moment.ts'
import { moment } from '../../src/contract/search.ts'

describe('a moment', () => {
  it('is an RFC 3339 date-time or date, or whole milliseconds', () => {
    for (const [text, ms] of [
      ['2026-01-01T00:00:00Z', 1_767_225_600_000],
      ['2026-01-01T01:00:00.5+01:00', 1_767_225_600_500],
      ['2026-01-01', 1_767_225_600_000],
      ['1767225600000', 1_767_225_600_000],
      ['0', 0],
      ['-1', -1],
    ] as const) {
      assert.equal(momentMs(text), ms, text)
      assert.ok(moment.safeParse(text).success, text)
    }
  })

  it('is nothing else: its shape refuses all that it does not read', () => {
    for (const text of [
      '',
      'now',
      '1.5',
      '1e3',
      '007',
      '2026-02-30T00:00:00Z',
      '2026-01-01T00:00:00',
      '2026-1-1',
      ' 1',
      '--1',
    ]) {
      assert.equal(momentMs(text), undefined, text)
      assert.ok(!moment.safeParse(text).success, text)
    }
  })
})
