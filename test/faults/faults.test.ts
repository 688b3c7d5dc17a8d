import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { noKafka } from '../infra/engines.ts'
import { faultRun } from './run.ts'

/** `npm run faults -- --count 300` runs the long form; here a short one, always the same. */
const count = Number(process.env['FAULTS_COUNT'] ?? 3)
const seed = Number(process.env['FAULTS_SEED'] ?? 20_780)

describe('a cluster in bad weather', { skip: noKafka }, () => {
  it(`loses no acknowledged event, doubles none and forks no ledger, through ${count} faults from seed ${seed}`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-faults-'))
    try {
      const lines: string[] = []
      const report = await faultRun(dir, { count, seed, recoveryMsMax: 90_000 }, line => lines.push(line))
      assert.deepEqual(report.findings, [], lines.join('\n'))
      assert.equal(report.recoveries.length, count)
      assert.ok(report.acknowledged > 20 * count, 'the load reached the service')
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
