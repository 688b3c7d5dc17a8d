import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sampleStream } from '../../infra/sample-stream.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { startEngine } from '../../src/query/engine.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { askEngine } from '../query/ask.ts'
import { noEngine } from '../query/folders.ts'
import { cli, inFolder } from './run.ts'

const quiet = { AEP_LEDGER_LOG_LEVEL: 'error' }
const off = { ...quiet, AEP_LEDGER_SEARCH: 'off' }

const headersOf = ({ token }: Serving) => ({ authorization: `Bearer ${token}` })

async function fill(serving: Serving, events: number): Promise<void> {
  const body = [...sampleStream({ seed: 7, events, startMs: Date.now() - 60_000, source: 'urn:rebuild' })]
    .map(event => JSON.stringify(event))
    .join('\n')
  const headers = { ...headersOf(serving), 'content-type': 'application/x-ndjson' }
  const answer = await fetch(`${serving.url}/v1/ledgers/default/events`, { method: 'POST', headers, body })
  assert.equal(answer.status, 201)
}

async function searched(serving: Serving): Promise<{ complete?: boolean; as_of?: number; items?: unknown[] }> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(`${serving.url}/v1/ledgers/default/events?limit=1000`, { headers: headersOf(serving) })
    const page = (await answer.json()) as { complete?: boolean; as_of?: number }
    if (page.complete === true) return page
    await sleep(100)
  }
  return assert.fail('search did not become complete')
}

/** Past the service, into the rows of its engine. */
async function damage(data: string, query: string): Promise<void> {
  const engine = await startEngine({ dir: join(data, 'clickhouse') })
  try {
    await engine.ready
    await askEngine(engine, query)
  } finally {
    await engine.close()
  }
}

describe('aep-ledger rebuild', () => {
  it('finds what is wrong with the state view, row by row, and mends it', async () => {
    await inFolder(async dir => {
      const data = join(dir, 'data')
      const serving = await serve(data, off)
      await fill(serving, 300)
      const args = ['--data-dir', data, '--state']
      const running = await cli(['rebuild', ...args], { env: off })
      assert.equal(running.code, 75, running.err)
      await serving.stop()
      const fine = await cli(['rebuild', '--check', ...args], { env: off })
      assert.deepEqual([fine.code, fine.out], [0, 'state: agrees with the log (301 entries compared)\n'])

      const log = await openEmbedded(data)
      const before = log.views.dump(stateView, 'default')
      const keys = [...log.views.range(stateView, 'default', { limit: 100 })].map(([key]) => key)
      await log.views.commit(stateView, 'default', log.views.position(stateView, 'default'), [
        { key: keys[0] ?? '', value: utf8('{}') },
        { key: keys[1] ?? '', value: undefined },
        { key: `${keys[2]}-invented`, value: utf8('{}') },
      ])
      await log.close()
      const bad = await cli(['rebuild', '--check', ...args], { env: off })
      assert.equal(bad.code, 10)
      assert.deepEqual(bad.out.split('\n').slice(0, -2).sort(), [
        `state-changed default ${keys[0]}`,
        `state-invented default ${keys[2]}-invented`,
        `state-missing default ${keys[1]}`,
      ])
      assert.match(bad.out, /state: 3 differences; aep-ledger rebuild --state mends them\n$/)

      const mended = await cli(['rebuild', ...args], { env: off })
      assert.deepEqual([mended.code, mended.out], [0, 'state: folded again from 301 entries\n'])
      const again = await openEmbedded(data)
      assert.equal(again.views.dump(stateView, 'default'), before)
      await again.close()
    })
  })

  it('finds rows of search that are not the log’s, and has them made again', { skip: noEngine }, async () => {
    await inFolder(async dir => {
      const data = join(dir, 'data')
      const serving = await serve(data, quiet)
      await fill(serving, 300)
      await searched(serving)
      await serving.stop()
      const args = ['--data-dir', data]
      const fine = await cli(['rebuild', '--check', ...args], { env: quiet })
      assert.equal(fine.code, 0, fine.out + fine.err)
      assert.match(fine.out, /^search: agrees with the log \(301 entries compared\)$/m)

      await damage(data, 'ALTER TABLE aep_ledger.entry_rows UPDATE terms = [] WHERE seq IN (5, 6)')
      const bad = await cli(['rebuild', '--check', ...args], { env: quiet })
      assert.equal(bad.code, 10)
      assert.match(bad.out, /^row-changed default 5: terms\nrow-changed default 6: terms\nsearch: 2 differences/m)

      const mended = await cli(['rebuild', '--search', ...args], { env: quiet })
      assert.deepEqual(
        [mended.code, mended.out],
        [0, 'search: the rows are removed; the next start inserts them again\n'],
      )
      const restarted = await serve(data, quiet)
      assert.equal((await searched(restarted)).items?.length, 301)
      await restarted.stop()
      assert.equal((await cli(['rebuild', '--check', ...args], { env: quiet })).code, 0)
    })
  })

  it('says which folder it needs', async () => {
    const { code, err } = await cli(['rebuild', '--data-dir', '/nonexistent'])
    assert.equal(code, 2)
    assert.match(err, /is no data folder/)
  })

  it('makes the rows of a server again while the service answers from the old ones', { skip: noEngine }, async () => {
    await inFolder(async dir => {
      const engine = await startEngine({ dir: join(dir, 'server') })
      await engine.ready
      const env = {
        ...quiet,
        AEP_LEDGER_CLICKHOUSE_URL: engine.url,
        AEP_LEDGER_CLICKHOUSE_USER: engine.writer.username,
        AEP_LEDGER_CLICKHOUSE_PASSWORD: engine.writer.password,
      }
      const data = join(dir, 'data')
      const serving = await serve(data, env)
      try {
        await fill(serving, 300)
        await searched(serving)
        await askEngine(engine, 'ALTER TABLE aep_ledger.entry_rows UPDATE terms = [] WHERE seq IN (5, 6)')
        const mended = await cli(['rebuild', '--search', '--data-dir', data], { env })
        assert.deepEqual(
          [mended.code, mended.out],
          [0, 'search: 301 rows are made again, and took the place of the old ones\n'],
          mended.err,
        )
        assert.equal((await searched(serving)).items?.length, 301)

        const other = join(dir, 'other')
        await (await serve(other, off)).stop()
        const refused = await cli(['rebuild', '--search', '--data-dir', other], { env })
        assert.deepEqual([refused.code, refused.out], [10, ''])
        assert.match(refused.err, /rows of default that serve are of another history.*--force/s)
        const inVain = await cli(['rebuild', '--search', '--force', '--data-dir', other], { env: quiet })
        assert.deepEqual([inVain.code, inVain.out], [2, ''])
        assert.equal((await searched(serving)).items?.length, 301)
        const forced = await cli(['rebuild', '--search', '--force', '--data-dir', other], { env })
        assert.equal(forced.code, 0, forced.err)
        const back = await cli(['rebuild', '--search', '--force', '--data-dir', data], { env })
        assert.equal(back.code, 0, back.err)
        assert.equal((await searched(serving)).items?.length, 301)
        await serving.stop()
        const checked = await cli(['rebuild', '--check', '--search', '--data-dir', data], { env })
        assert.equal(checked.code, 0, checked.out + checked.err)
      } finally {
        await serving.kill()
        await engine.close()
      }
    })
  })
})
