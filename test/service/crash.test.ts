import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { serve } from '../../infra/serve.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { rebuildState } from '../../src/service/state-view.ts'
import { crashRounds } from './crash.ts'

/** `npm run crash -- --rounds 200` runs the long form; here a short one, with another schedule each day. */
const rounds = Number(process.env['CRASH_ROUNDS'] ?? 8)
const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Date.now() / 86_400_000))

describe('kill -9 under load', () => {
  it(`loses no acknowledged event and doubles none, ${rounds} times from seed ${seed}`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-crash-'))
    try {
      const report = await crashRounds(dir, rounds, seed, line => process.stderr.write(`${line}\n`))
      assert.deepEqual(report.faults, [])
      assert.ok(report.acknowledged > rounds, 'the load reached the service')
      // The last death was not followed by a start: let one catch up, then hold its views against a rebuild.
      const serving = await serve(dir, { AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'error' })
      const head = await fetch(`${serving.url}/v1/ledgers/default/leases?limit=1`, {
        headers: { authorization: `Bearer ${serving.token}` },
      })
      assert.equal(((await head.json()) as { complete: boolean }).complete, true)
      assert.equal(await serving.stop(), 0)
      const log = await openEmbedded(dir)
      try {
        const kept = log.views.dump(stateView, 'default')
        await rebuildState(log, log.views)
        assert.equal(log.views.dump(stateView, 'default'), kept)
      } finally {
        await log.close()
      }
      process.stderr.write(
        `${report.acknowledged} acknowledged, ${report.entries} entries, ${report.answeredLate} answered late\n`,
      )
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
