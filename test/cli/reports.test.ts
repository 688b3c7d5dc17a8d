import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { entryEnvelope } from '../../src/ledger/signature.ts'
import { readFrame } from '../../src/verify/frame.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, key, sealed } from '../verify/support.ts'
import { cli, inFolder } from './run.ts'

const textOf = (entries: readonly SourceEntry[]) =>
  entries.map(entry => `${JSON.stringify(entryEnvelope(entry, readFrame(entry.bytes)?.key_id ?? ''))}\n`).join('')
const keyFile = JSON.stringify([{ key_id: key.keyId, public_hex: key.publicHex }])

/** Verifies an export of `entries` under the right key, and says what came to stdout and into files of these forms. */
function reports(entries: readonly SourceEntry[], forms: readonly string[], ...args: readonly string[]) {
  return inFolder(async dir => {
    const [source, keys] = [join(dir, 'x.jsonl'), join(dir, 'keys.json')]
    writeFileSync(source, textOf(entries))
    writeFileSync(keys, keyFile)
    const outputs = forms.flatMap(form => ['-o', `${form}=${join(dir, form)}`])
    const { code, out } = await cli(['verify', source, '--keys', keys, '-o', 'text', ...outputs, ...args])
    return { code, out, files: forms.map(form => readFileSync(join(dir, form), 'utf8')) }
  })
}

const plain = sealed([created(), decision(1), decision(2)])

describe('what was required and is not so', () => {
  it('is a failure in JUnit and an error in SARIF, beside what was found', async () => {
    const old = sealed([created(), decision(1, { time: '2025-01-01T00:00:00Z' }), decision(2)])
    const { code, files } = await reports(old, ['junit', 'sarif'], '--require-head', '--min-entries', '9')
    const [junit = '', sarif = ''] = files
    assert.equal(code, 12)
    assert.match(junit, /<testsuite name="acme\/prod" tests="7" failures="1" skipped="1"/)
    assert.match(junit, /name="policy"><failure message="not as required">A head .*\nAt least 9 entries/)
    const [run] = JSON.parse(sarif).runs
    const errors = run.results.filter(({ level }: { level: string }) => level === 'error')
    assert.equal(errors.length, 2)
    assert.ok(run.results.length > 2)
    for (const { ruleId, ruleIndex } of run.results) assert.equal(run.tool.driver.rules[ruleIndex].id, ruleId)
    assert.equal(errors[0].ruleId, 'policy-unmet')
  })

  it('leaves no trace where all is as required', async () => {
    const { code, files } = await reports(plain, ['junit', 'sarif'], '--min-entries', '3')
    assert.equal(code, 0)
    assert.match(files[0] ?? '', /name="policy"><\/testcase>/)
    assert.doesNotMatch(files[0] ?? '', /<failure/)
    assert.deepEqual(JSON.parse(files[1] ?? '').runs[0].results, [])
  })

  it('is never a green JUnit where there was nothing to verify', async () => {
    const { code, files } = await reports([], ['junit'])
    assert.equal(code, 13)
    assert.match(files[0] ?? '', /tests="1" failures="0" skipped="1".*<skipped message="nothing to verify"/s)
  })
})

describe('the report for people', () => {
  it('fits a screen, however often one thing is found', async () => {
    const day = (n: number, more = {}) => decision(n, { time: '2025-01-01T00:00:00Z', ...more })
    const beside = (n: number) => ({
      ...decision(n, { type: 'aep.record', data: { record_digest: 'ab'.repeat(32), record_length: n } }),
      intake: { record_sig: 'absent' as const },
    })
    const odd = Array.from({ length: 300 }, (_, n) =>
      n % 3 === 0 ? beside(n + 1) : day(n + 1, { source: `urn:${n}` }),
    )
    const { code, out } = await reports(sealed([created(), ...odd]), [])
    assert.equal(code, 11)
    assert.ok(out.split('\n').length < 25, out)
    assert.match(out, /200 × {2}time-old {2}The event was long under way {2}seq 2, 3, 5 … 300/)
    assert.match(out, /seq 1 {2}record-unchecked.*and 99 more like it: seq 4, 7, 10 … 298/s)
    const few = await reports(sealed([created(), ...odd]), [], '--findings-max', '10')
    assert.match(few.out, /200 × {2}time-old .* seq 2, 3, 5 …\n/)
  })

  it('lists what fails one by one up to a bound', async () => {
    const changed = sealed([created(), ...Array.from({ length: 30 }, (_, n) => decision(n + 1))]).map((entry, n) =>
      n > 3 ? { ...entry, signature: new Uint8Array(64) } : entry,
    )
    const { out } = await reports(changed, [])
    assert.equal(out.match(/^ {2}seq \d+ {2}signature-invalid/gm)?.length, 12)
    assert.match(out, /and 15 more: -o jsonl/)
  })
})

describe('outputs', () => {
  it('are looked at before anything is read', async () => {
    const { code, err } = await cli(['verify', '/nonexistent', '-o', 'json', '-o', 'text'])
    assert.equal(code, 2)
    assert.match(err, /Two outputs want stdout/)
  })
})
