import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { type RemakeLog, remakeRows } from '../../src/query/remake.ts'
import { rowsAgainst } from '../../src/query/rows-against.ts'
import { askEngine } from './ask.ts'
import { newFolder, noEngine } from './folders.ts'
import { logOf } from './follower-main.ts'
import { hashLeaf } from './make.ts'

describe('rows that are made again while they serve', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
  })
  after(async () => {
    await engine.close()
    folder.remove()
  })

  const ask = <T>(query: string): Promise<T[]> => askEngine<T>(engine, query)
  const changed = async (log: readonly StoredEntry[], ledger: string): Promise<number> => {
    const rows = await openClickHouse(engine, { hashLeaf })
    let count = 0
    const read = async (from: number, limit: number) => log.slice(from, from + limit)
    for await (const _ of rowsAgainst(rows, ledger, read, hashLeaf)) count += 1
    await rows.close()
    return count
  }
  const besides = () => ask(`SELECT name FROM system.databases WHERE name LIKE '%_remade'`)
  const logFrom = (ledger: string, entries: () => readonly StoredEntry[]): RemakeLog => ({
    ledgers: async () => [ledger],
    read: async (_, from, limit) => entries().slice(from, from + limit),
  })

  it('are the log’s again, each once, while searches are answered and a follower goes on', async () => {
    const ledger = 'served'
    const log = logOf(ledger, 6_000)
    const follower = await openClickHouse(engine, { hashLeaf })
    await follower.insert(ledger, log.slice(0, 3_000))
    await ask(`ALTER TABLE aep_ledger.entry_rows UPDATE terms = [] WHERE ledger = '${ledger}' AND seq < 2000`)
    assert.ok((await changed(log, ledger)) >= 2_000)

    let grown = 3_000
    let isDone = false
    const following = (async () => {
      while (!isDone || (await follower.position(ledger)) < log.length - 1) {
        grown = Math.min(grown + 100, log.length)
        const position = await follower.position(ledger)
        await follower.insert(ledger, log.slice(position + 1, grown))
        await sleep(5)
      }
    })()
    let searches = 0
    const searching = (async () => {
      while (!isDone) {
        const { items, asOf } = await follower.search(ledger, {}, 10)
        assert.equal(items.length, 10)
        assert.ok(asOf >= 2_999, `${asOf}`)
        searches += 1
      }
    })()
    const made: number[] = []
    const count = await remakeRows(
      engine,
      logFrom(ledger, () => log.slice(0, grown)),
      { hashLeaf, onMade: rows => made.push(rows) },
    )
    isDone = true
    await Promise.all([following, searching])
    assert.ok(searches > 0)
    assert.ok(count >= 3_000 && made.at(-1) === count, `${made}`)
    assert.equal(await changed(log, ledger), 0)
    const [stored] = await ask<{ rows: number; seqs: number }>(
      `SELECT count() AS rows, uniqExact(seq) AS seqs FROM aep_ledger.entry_rows FINAL WHERE ledger = '${ledger}'`,
    )
    assert.deepEqual(stored, { rows: 6000, seqs: 6000 })
    assert.deepEqual(await besides(), [])
    await follower.close()
  })

  it('stay as they were when it is broken off, and nothing is left of it', async () => {
    const ledger = 'broken-off'
    const log = logOf(ledger, 300)
    const rows = await openClickHouse(engine, { hashLeaf })
    await rows.insert(ledger, log)
    await rows.close()
    const options = {
      hashLeaf,
      onMade: () => {
        throw new Error('enough')
      },
    }
    await assert.rejects(
      remakeRows(
        engine,
        logFrom(ledger, () => log),
        options,
      ),
      /enough/,
    )
    assert.equal(await changed(log, ledger), 0)
    assert.deepEqual(await besides(), [])
  })
})
