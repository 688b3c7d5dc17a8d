import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { type RowFinding, rowsAgainst } from '../../src/query/rows-against.ts'
import { askEngine } from './ask.ts'
import { newFolder, noEngine } from './folders.ts'
import { type FollowerPlan, logOf } from './follower-main.ts'
import { hashLeaf } from './make.ts'

const main = fileURLToPath(new URL('follower-main.ts', import.meta.url))

/** Merges would take out what got in twice before anybody looks: they are stopped, so that nothing is hidden. */
describe('rows of several followers are there once', { skip: noEngine }, () => {
  const folder = newFolder()
  const children = new Set<ChildProcess>()
  let engine: Engine
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
    const first = await openClickHouse(engine, { hashLeaf })
    await first.check()
    await first.close()
    await ask('ALTER TABLE aep_ledger.entry_rows MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1')
  })
  after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await engine.close()
    folder.remove()
  })

  const ask = <T>(query: string): Promise<T[]> => askEngine<T>(engine, query)
  const stored = async (ledger: string) =>
    ask<{ rows: number; seqs: number }>(
      `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(seq)) AS seqs FROM aep_ledger.entry_rows WHERE ledger = '${ledger}'`,
    )
  function start(plan: Omit<FollowerPlan, 'server'>): ChildProcess {
    const { url, writer, reader } = engine
    const child = spawn(process.execPath, [main, JSON.stringify({ ...plan, server: { url, writer, reader } })], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  async function findings(ledger: string, log: readonly StoredEntry[]): Promise<RowFinding[]> {
    const rows = await openClickHouse(engine, { hashLeaf })
    const found: RowFinding[] = []
    const read = async (from: number, limit: number) => log.slice(from, from + limit)
    for await (const finding of rowsAgainst(rows, ledger, read, hashLeaf)) found.push(finding)
    await rows.close()
    return found
  }

  it('that insert at once, each in its own cut', async () => {
    const ledger = 'at-once'
    const count = 3_000
    const followers = [37, 64, 1_000].map(growth => start({ ledger, count, growth }))
    for (const [code] of await Promise.all(followers.map(child => once(child, 'exit')))) assert.equal(code, 0)
    assert.deepEqual(await stored(ledger), [{ rows: count, seqs: count }])
    assert.deepEqual(await findings(ledger, logOf(ledger, count)), [])
  })

  it('of which one is killed again and again in the middle of inserts, and another takes over', async () => {
    const ledger = 'killed'
    const count = 4_000
    for (let kill = 0; kill < 10; kill++) {
      const growth = 20 + 13 * kill
      const child = start({ ledger, count, growth })
      const ended = once(child, 'exit')
      // Long enough to begin, and never the same.
      const before = (await stored(ledger))[0]?.rows ?? 0
      while ((await stored(ledger))[0]?.rows === before && child.exitCode === null) await sleep(10)
      await sleep((kill * 37) % 90)
      child.kill('SIGKILL')
      await ended
    }
    const [code] = await once(start({ ledger, count, growth: 500 }), 'exit')
    assert.equal(code, 0)
    assert.deepEqual(await stored(ledger), [{ rows: count, seqs: count }])
    assert.deepEqual(await findings(ledger, logOf(ledger, count)), [])
  })

  it('of which one sends, long after, a block that it had made before it was halted', async () => {
    const ledger = 'zombie'
    const log = logOf(ledger, 400)
    const [zombie, follower] = await Promise.all([0, 1].map(() => openClickHouse(engine, { hashLeaf })))
    assert.ok(zombie !== undefined && follower !== undefined)
    await zombie.insert(ledger, log.slice(0, 100))
    await follower.insert(ledger, log.slice(0, 300))
    // It believes what it knew; the server has forgotten the tokens.
    await ask('ALTER TABLE aep_ledger.entry_rows MODIFY SETTING non_replicated_deduplication_window = 0')
    await zombie.insert(ledger, log.slice(0, 250))
    assert.deepEqual(await stored(ledger), [{ rows: 300, seqs: 300 }])
    await ask('ALTER TABLE aep_ledger.entry_rows MODIFY SETTING non_replicated_deduplication_window = 10000')
    await zombie.insert(ledger, log.slice(0, 350))
    await follower.insert(ledger, log)
    assert.deepEqual(await stored(ledger), [{ rows: 400, seqs: 400 }])
    await Promise.all([zombie.close(), follower.close()])
  })

  it('when rows that were lost are brought again by two of them', async () => {
    const ledger = 'lost'
    const log = logOf(ledger, 1_000)
    const followers = await Promise.all([0, 1].map(() => openClickHouse(engine, { hashLeaf })))
    await followers[0]?.insert(ledger, log)
    await ask(`DELETE FROM aep_ledger.entry_rows WHERE ledger = '${ledger}' AND seq BETWEEN 200 AND 700`)
    const fresh = await Promise.all([0, 1].map(() => openClickHouse(engine, { hashLeaf })))
    await Promise.all(fresh.map((rows, at) => rows.insert(ledger, log.slice(0, 500 + 300 * at))))
    await Promise.all(fresh.map(rows => rows.insert(ledger, log)))
    assert.deepEqual(await stored(ledger), [{ rows: 1_000, seqs: 1_000 }])
    await Promise.all([...followers, ...fresh].map(rows => rows.close()))
  })
})
