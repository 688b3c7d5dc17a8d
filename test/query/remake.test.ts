import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { type ClickHouse, openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { besideOf, type RemakeLog, RemakeRefused, remakeRows } from '../../src/query/remake.ts'
import { rowsAgainst } from '../../src/query/rows-against.ts'
import { databasePattern } from '../../src/query/server.ts'
import { askEngine } from './ask.ts'
import { newFolder, noEngine } from './folders.ts'
import { logOf } from './follower-main.ts'
import { entriesOf, hashLeaf } from './make.ts'

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
        // What was sent when the rows took the place of others leaves a hole there, or is broken off: it is sent again, from
        // where they end.
        await follower.insert(ledger, log.slice(position + 1, grown)).catch((error: Error) => {
          assert.match(error.message, /would leave a hole|code 236 ABORTED/)
        })
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

  describe('from a log that is not theirs', () => {
    const ledger = 'theirs'
    const theirs = logOf(ledger, 12_000)
    let rows: ClickHouse
    before(async () => {
      await ask('TRUNCATE TABLE aep_ledger.entry_rows')
      rows = await openClickHouse(engine, { hashLeaf })
      await rows.insert(ledger, theirs)
    })
    after(() => rows.close())
    const remake = (log: RemakeLog, force = false) => remakeRows(engine, log, { hashLeaf, force })

    it('are refused where that has another history, has no such ledger, or ends long before; and the old ones stay', async () => {
      const ours = entriesOf(
        ledger,
        Array.from({ length: 12_010 }, (_, n) => ({
          type: 'aep.decision',
          id: `ours-${n}`,
          data: { decision: 'allow' },
        })),
      )
      for (const [log, message] of [
        [logFrom(ledger, () => ours), /rows of theirs .* another history .* up to seq 11999\. They stay/],
        [logFrom(ledger, () => ours.slice(0, 11_000)), /rows of theirs .* another history .* up to seq 10999/],
        [logFrom('other', () => logOf('other', 10)), /rows of theirs .* go to seq 11999; this log has no such ledger/],
        [logFrom(ledger, () => theirs.slice(0, 1_900)), /rows of theirs .* go to seq 11999; this log ends at seq 1899/],
      ] as const) {
        await assert.rejects(remake(log), error => {
          assert.ok(error instanceof RemakeRefused)
          assert.match(error.message, message)
          assert.match(error.hint, /--force/)
          return true
        })
        assert.equal(await changed(theirs, ledger), 0)
        assert.deepEqual(await besides(), [])
      }
    })

    it('are made where the last row that serves is damaged, or the first is gone', async () => {
      await ask(`ALTER TABLE aep_ledger.entry_rows UPDATE leaf_hash = unhex(repeat('ab', 32)) WHERE seq = 11999`)
      await ask('DELETE FROM aep_ledger.entry_rows WHERE seq = 0')
      assert.equal(await remake(logFrom(ledger, () => theirs)), theirs.length)
      assert.equal(await changed(theirs, ledger), 0)
    })

    it('are made where somebody says that the rows are what is wrong', async () => {
      await ask(`ALTER TABLE aep_ledger.entry_rows UPDATE leaf_hash = unhex(repeat('ab', 32)) WHERE seq > 11000`)
      const log = logFrom(ledger, () => theirs)
      await assert.rejects(remake(log), RemakeRefused)
      assert.equal(await remake(log, true), theirs.length)
      assert.equal(await changed(theirs, ledger), 0)
    })
  })

  it('drop no database that was not made for them', async () => {
    await ask('CREATE DATABASE aep_ledger_remade')
    await ask('CREATE TABLE aep_ledger_remade.treasure (a Int8) ENGINE = MergeTree ORDER BY a')
    const log = logFrom('theirs', () => [])
    await assert.rejects(
      remakeRows(engine, log, { hashLeaf, force: true }),
      /database aep_ledger_remade, which was not made/,
    )
    assert.deepEqual(await ask(`SELECT name FROM system.tables WHERE database = 'aep_ledger_remade'`), [
      { name: 'treasure' },
    ])
    await ask('DROP DATABASE aep_ledger_remade SYNC')
  })

  it('have a database for each one that is configured, and none that could be', () => {
    const long = `aep_ledger_${'x'.repeat(50)}`
    const names = ['aep_ledger', `${long}a`, `${long}b`, 'a'.repeat(55), 'a'.repeat(56), 'a'.repeat(63)]
    const besides = names.map(besideOf)
    assert.equal(new Set(besides).size, names.length)
    for (const [n, name] of besides.entries()) {
      assert.match(name, /^[A-Za-z_][A-Za-z0-9_]{0,62}$/)
      assert.equal(name.slice(0, 40), names[n]?.length === 10 ? 'aep_ledger_remade' : names[n]?.slice(0, 40))
      assert.doesNotMatch(name, databasePattern)
    }
    for (const name of names) assert.match(name, databasePattern)
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
