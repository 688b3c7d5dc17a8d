import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type ClickHouseClient, createClient } from '@clickhouse/client'
import { type Migration, migrate, readMigrations } from '../../src/query/clickhouse/migrate.ts'
import { render } from '../../src/query/clickhouse/render.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { newFolder, noEngine } from './folders.ts'
import { entriesOf, hashLeaf, moment } from './make.ts'

const ledger = 'default'
const entries = entriesOf(
  ledger,
  Array.from({ length: 100 }, (_, index) => ({
    type: 'aep.decision',
    time: moment(index),
    data: { decision: 'allow' },
  })),
)
const known = readMigrations()
const next = known.length + 1
const another = (sql: string): Migration => ({
  number: next,
  name: 'another',
  sql,
  checksum: createHash('sha256').update(sql).digest('hex'),
})
const two = `CREATE TABLE IF NOT EXISTS aep_ledger.one (a Int8) ENGINE = MergeTree ORDER BY a;
CREATE TABLE IF NOT EXISTS aep_ledger.two (a Int8) ENGINE = MergeTree ORDER BY a;
`

describe('migrations', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let client: ClickHouseClient
  let number = 0
  let database = ''
  const place = () => ({ database })
  const server = () => ({ url: engine.url, writer: engine.writer, reader: engine.reader, database })
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
    const { origin, pathname } = new URL(engine.url)
    client = createClient({ url: origin, pathname, ...engine.writer, log: { level: 127 } })
  })
  beforeEach(() => {
    database = `aep_ledger_${number++}`
  })
  after(async () => {
    await client.close()
    await engine.close()
    folder.remove()
  })
  async function ask<T>(query: string): Promise<T[]> {
    return (await client.query({ query, format: 'JSONEachRow' })).json<T>()
  }
  const notes = () =>
    ask<{ number: number; checksum: string }>(
      `SELECT DISTINCT number, checksum FROM ${database}._migrations ORDER BY number`,
    )

  it('are applied in order, each noted with the SHA-256 of its text, and not again', async () => {
    await migrate(client, place())
    await migrate(client, place())
    assert.deepEqual(
      await notes(),
      known.map(migration => ({ number: migration.number, checksum: migration.checksum })),
    )
    const twice = `SELECT toUInt32(count()) AS n FROM ${database}._migrations GROUP BY number HAVING n > 1`
    assert.deepEqual(await ask(twice), [])
  })

  it('that were cut in the middle, or before the note of them, are run again', async () => {
    await migrate(client, place())
    const [first = ''] = render(two, place())
    await client.command({ query: first })
    const more = [...known, another(two)]
    await migrate(client, place(), more)
    assert.deepEqual(await ask(`SELECT * FROM ${database}.two`), [])
    await client.command({ query: `TRUNCATE TABLE ${database}._migrations` })
    await migrate(client, place(), more)
    assert.equal((await notes()).length, next)
  })

  it('are what several processes may do at once, and none of them loses a row', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => openClickHouse(server(), { hashLeaf })))
    await Promise.all(clients.map(rows => rows.insert(ledger, entries)))
    const [found] = await ask<{ rows: number }>(`SELECT toUInt32(count()) AS rows FROM ${database}.entry_rows`)
    assert.equal(found?.rows, entries.length)
    assert.equal((await notes()).length, known.length)
    await Promise.all(clients.map(rows => rows.close()))
  })

  it('refuse a database where one was applied with other text, and say what to do', async () => {
    await migrate(client, place())
    const changed = known.map(migration => ({ ...migration, checksum: 'f'.repeat(64) }))
    await assert.rejects(migrate(client, place(), changed), {
      message: new RegExp(`migration 1 \\(entries\\) was applied .* other content .* drop the database ${database}`),
    })
  })

  it('refuse a database of a newer version, in every call and in plain words, until it is gone', async () => {
    await migrate(client, place(), [...known, another(two)])
    const older = await openClickHouse(server(), { hashLeaf })
    const calls = [
      () => older.check(),
      () => older.position(ledger),
      () => older.search(ledger, {}, 1),
      () => older.insert(ledger, entries),
    ]
    for (const call of calls) {
      await assert.rejects(call, {
        code: 'query-unavailable',
        message: new RegExp(`migration ${next} \\(another\\) in ${database}, which a newer version made; upgrade`),
      })
    }
    await client.command({
      query: `DELETE FROM ${database}._migrations WHERE number = ${next} SETTINGS lightweight_deletes_sync = 2`,
    })
    await older.check()
    await older.close()
  })

  it('are applied again where the database or a table is gone, and rows come again, while the process runs', async () => {
    const rows = await openClickHouse(server(), { hashLeaf })
    await rows.insert(ledger, entries)
    for (const gone of [`DATABASE ${database}`, `TABLE ${database}.entry_rows`, `TABLE ${database}.removals`]) {
      await client.command({ query: `DROP ${gone} SYNC` })
      await rows.search(ledger, {}, 1).catch(() => {})
      // What a follower does, again and again.
      for (let tries = 0; (await rows.position(ledger).catch(() => -1)) < entries.length - 1; tries++) {
        assert.ok(tries < 5, gone)
        await rows.insert(ledger, entries).catch(() => {})
      }
      await rows.remove(ledger).catch(() => rows.remove(ledger))
      await rows.insert(ledger, entries)
      assert.equal((await rows.search(ledger, {}, 1)).asOf, entries.length - 1)
    }
    await rows.close()
  })

  it('refuse a cluster that the server does not know', async () => {
    const rows = await openClickHouse({ ...server(), cluster: 'nowhere' }, { hashLeaf })
    await assert.rejects(rows.check(), { code: 'query-unavailable', message: /knows no cluster nowhere/ })
    await rows.close()
  })

  it('bring the rows of an older schema again from the log', async () => {
    await migrate(client, place(), known.slice(0, 1))
    const rows = await openClickHouse(server(), { hashLeaf })
    assert.equal(await rows.position(ledger), -1)
    await rows.insert(ledger, entries)
    assert.equal(await rows.position(ledger), entries.length - 1)
    await rows.close()
  })

  it('are numbered without a gap', () => {
    const folderOf = (name: string, files: readonly string[]): URL => {
      const path = join(folder.path, name)
      mkdirSync(path, { recursive: true })
      for (const file of files) writeFileSync(join(path, file), '')
      return pathToFileURL(`${path}/`)
    }
    assert.throws(() => readMigrations(folderOf('gap', ['0001_a.sql', '0003_b.sql'])), /b is not number 2/)
    const fine = readMigrations(folderOf('fine', ['0001_a.sql', '0002_b.sql']))
    assert.deepEqual(
      fine.map(({ name }) => name),
      ['a', 'b'],
    )
  })
})
