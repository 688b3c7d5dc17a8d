import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '../../infra/serve.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { closeAll } from '../../src/service/close-all.ts'

describe('the end of a service', () => {
  it('tries every closer, the last first, and says what failed', async () => {
    const called: number[] = []
    const closers = [0, 1, 2].map(n => async () => {
      called.push(n)
      if (n > 0) throw new Error(`closer ${n}`)
    })
    await assert.rejects(closeAll(closers), /closer 2/)
    assert.deepEqual(called, [2, 1, 0])
    await closeAll(closers)
    assert.deepEqual(called, [2, 1, 0])
  })

  it('is in order while ClickHouse hangs under a search, and when the signal comes twice', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-close-'))
    const hung = createServer(() => {}).listen(0, '127.0.0.1')
    await once(hung, 'listening')
    const url = `http://127.0.0.1:${(hung.address() as AddressInfo).port}`
    const serving = await serve(dir, { AEP_LEDGER_CLICKHOUSE_URL: url, AEP_LEDGER_LOG_LEVEL: 'error' })
    try {
      const search = fetch(`${serving.url}/v1/ledgers/default/events`, {
        headers: { authorization: `Bearer ${serving.token}` },
      })
      await sleep(500)
      const began = performance.now()
      serving.child.kill('SIGINT')
      assert.equal(await serving.stop(), 0, serving.log())
      assert.ok(performance.now() - began < 20_000)
      const answer = await search
      assert.equal(((await answer.json()) as { code: string }).code, 'query-unavailable')
      await (await openEmbedded(dir)).close()
    } finally {
      await serving.kill()
      hung.closeAllConnections()
      hung.close()
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
