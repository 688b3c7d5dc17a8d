import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { freePorts } from '../../infra/ports.ts'
import type { LogReader } from '../../src/log/port.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { newSecrets } from '../../src/query/engine/launch.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { loadConfig } from '../../src/service/config.ts'
import { openSearch, type SearchPart } from '../../src/service/search.ts'
import { newFolder, noEngine } from '../query/folders.ts'
import { entriesOf, hashLeaf } from '../query/make.ts'

const entries = (ledger: string) =>
  entriesOf(
    ledger,
    Array.from({ length: 20 }, (_, n) => ({ type: 'aep.decision', id: `e-${n}`, data: { decision: 'allow' } })),
  )
/** Two ledgers, `ours` and `theirs`. */
const log = {
  ledgers: async () => ['ours', 'theirs'],
  head: async () => ({ seq: 19 }),
  read: async (ledger: string, from: number, limit: number) => entries(ledger).slice(from, from + limit),
} as unknown as LogReader
const ours = { ...log, ledgers: async () => ['ours'] } as LogReader

describe('search in a process of a cluster', { skip: noEngine }, () => {
  const folder = newFolder()
  const secrets = newSecrets()
  let port = 0
  let engine: Engine
  let part: SearchPart | undefined
  const start = async (): Promise<void> => {
    engine = await startEngine({ dir: join(folder.path, 'engine'), fixed: { port, secrets } })
    await engine.ready
  }
  before(async () => {
    port = (await freePorts(1))[0] ?? 0
    await start()
  })
  afterEach(async () => {
    await part?.close()
    part = undefined
  })
  after(async () => {
    await engine.close()
    folder.remove()
  })

  const server = () => ({
    AEP_LEDGER_CLICKHOUSE_URL: engine.url,
    AEP_LEDGER_CLICKHOUSE_USER: engine.writer.username,
    AEP_LEDGER_CLICKHOUSE_PASSWORD: engine.writer.password,
  })
  async function open(followed: LogReader | undefined, env: Record<string, string> = server()): Promise<SearchPart> {
    const loaded = loadConfig({
      AEP_LEDGER_DATA_DIR: join(folder.path, 'data'),
      AEP_LEDGER_KAFKA_BROKERS: '127.0.0.1:9',
      ...env,
    })
    assert.ok(loaded.ok, JSON.stringify(loaded))
    part = await openSearch({
      ...{ config: loaded.config, log, followed, restMs: 0, onError: () => {} },
      logger: pino({ level: 'silent' }),
    })
    part.follower?.start()
    return part
  }
  async function until(holds: () => boolean): Promise<void> {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 600, JSON.stringify(part?.health()))
      await sleep(50)
    }
  }

  it('asks the rows themselves of a ledger that another process follows', { timeout: 60_000 }, async () => {
    const { search, follower } = await open(ours)
    assert.ok(await search.reached('ours', 19, 30_000))
    assert.deepEqual([follower?.follows('ours'), follower?.follows('theirs')], [true, false])
    assert.equal(await search.reached('theirs', 19, 0), false)
    const other = await openClickHouse(engine, { hashLeaf })
    await other.insert('theirs', entries('theirs'))
    await other.close()
    // Longer than this test may take.
    assert.ok(await search.reached('theirs', 19, 600_000))
    assert.equal((await search.search('theirs', {}, 5)).asOf, 19)
  })

  it('names a ClickHouse that is down, though it only searches, and none that is back', async () => {
    const { health } = await open(undefined)
    assert.deepEqual(health(), { ready: true, detail: 'up' })
    await engine.close()
    await until(() => !health().ready)
    assert.match(health().detail, /ClickHouse does not answer/)
    await start()
    await until(() => health().ready)
    assert.equal(health().detail, 'up')
  })

  it('names the setting that is missing, or the one that switches it off', async () => {
    for (const [env, message] of [
      [{ AEP_LEDGER_SEARCH: 'off' }, /^Search is switched off \(AEP_LEDGER_SEARCH=off\)\.$/],
      [{}, /give it AEP_LEDGER_CLICKHOUSE_URL/],
    ] as const) {
      const { search, health } = await open(undefined, env)
      await assert.rejects(search.search('ours', {}, 1), { code: 'query-unavailable', message })
      assert.equal(health().ready, true)
    }
  })
})
