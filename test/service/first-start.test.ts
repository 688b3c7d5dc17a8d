import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ensureIntakeKey } from '../../src/service/first-start.ts'

describe('the key of intake', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-first-'))
  after(() => rmSync(dir, { recursive: true, force: true }))

  it('is made once where none is given, of 32 bytes, for its owner alone', () => {
    const made = ensureIntakeKey(dir)
    assert.equal(made.length, 32)
    assert.ok(made.some(byte => byte !== 0))
    assert.deepEqual(ensureIntakeKey(dir), made)
    assert.equal(statSync(join(dir, 'intake.key')).mode & 0o777, 0o600)
  })

  it('is not made anew where a file of that name holds something else', () => {
    writeFileSync(join(dir, 'intake.key'), 'ab')
    assert.throws(() => ensureIntakeKey(dir), /is no intake key: restore it/)
  })
})
