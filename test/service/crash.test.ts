import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { noEngine } from '../query/folders.ts'
import { type CrashPlan, crashRounds } from './crash.ts'

/** `npm run crash -- --rounds 200` runs the long form; here a short one, with another schedule each day. */
const rounds = Number(process.env['CRASH_ROUNDS'] ?? 8)
const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Date.now() / 86_400_000))

describe('kill -9 under load', () => {
  it(`loses no acknowledged event and doubles none, and every view is what the log folds to, ${rounds} times from seed ${seed}`, () =>
    crash({ rounds, seed, search: false }))
  it('leaves no row of ClickHouse missing, doubled or invented', { skip: noEngine }, () =>
    crash({ rounds: Math.ceil(rounds / 3), seed, search: true }),
  )
})

async function crash(plan: CrashPlan): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-crash-'))
  try {
    const report = await crashRounds(dir, plan)
    assert.deepEqual(report.faults, [])
    assert.ok(report.acknowledged > plan.rounds, 'the load reached the service')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
