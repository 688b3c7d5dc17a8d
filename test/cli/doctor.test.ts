import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createClient } from '@clickhouse/client'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf } from '../../src/ledger/entry.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { KeyFiles } from '../../src/service/key-files.ts'
import { newFolder, noEngine } from '../query/folders.ts'
import { type Diagnosis, doctor } from './doctor.ts'
import { inFolder } from './run.ts'

describe('aep-ledger doctor, of what is configured', () => {
  it('says all that is wrong with the variables', async () => {
    const { code, told } = await doctor({ AEP_LEDGER_PORT: 'high', AEP_LEDGER_DEPTH_MAX: '0', AEP_LEDGER_PROT: '1' })
    assert.equal(code, 10)
    assert.equal(told('configuration').length, 2)
    assert.match(told('configuration').join('\n'), /^bad AEP_LEDGER_PORT.*\nbad AEP_LEDGER_DEPTH_MAX/)
    const misspelt = await doctor({ AEP_LEDGER_PROT: '1' })
    assert.deepEqual(
      [misspelt.code, misspelt.told('configuration')],
      [0, ['note AEP_LEDGER_PROT: there is no such setting']],
    )
  })

  it('looks for keys where AEP_LEDGER_KEYS_DIR says, as a start would', () =>
    inFolder(async dir => {
      const keys = join(dir, 'shared')
      const env = { AEP_LEDGER_DATA_DIR: join(dir, 'data'), AEP_LEDGER_KEYS_DIR: keys }
      assert.deepEqual((await doctor(env)).told('signing keys'), [
        `note ${keys} is not there: the first start makes it`,
      ])
      const { keyId } = KeyFiles.open(keys, nodeSuite, undefined, new Date(0)).newest()
      assert.deepEqual((await doctor(env)).told('signing keys'), [`ok 1 in ${keys}`])
      const file = join(keys, `${keyId}.json`)
      chmodSync(file, 0o644)
      const open = await doctor(env)
      assert.equal(open.code, 10)
      assert.deepEqual(open.told('signing keys'), [`bad ${file} can be read by others: chmod 600 ${file}`])
    }))

  it('says where there is no engine for search, unless there is to be none', async () => {
    const none = { CHDB_LIBCHDB_PATH: '/nonexistent/libchdb.so' }
    const { code, told } = await doctor(none)
    assert.equal(code, 10)
    assert.match(told('ClickHouse').join(), /^bad .*\/nonexistent\/libchdb\.so.*AEP_LEDGER_CLICKHOUSE_URL$/)
    const off = await doctor({ ...none, AEP_LEDGER_SEARCH: 'off' })
    assert.deepEqual([off.code, off.told('ClickHouse')], [0, ['ok search is switched off (AEP_LEDGER_SEARCH=off)']])
    const door = { AEP_LEDGER_ROLES: 'http', AEP_LEDGER_KAFKA_BROKERS: '127.0.0.1:9', ...none }
    assert.match((await doctor(door)).told('ClickHouse').join(), /^note .* its searches need AEP_LEDGER_CLICKHOUSE_URL/)
  })
})

describe('aep-ledger doctor, of a ClickHouse server', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let databases = 0
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
  })
  after(async () => {
    await engine.close()
    folder.remove()
  })

  const newDatabase = (): string => `aep_ledger_doctor_${++databases}`
  const look = (database: string, env: Readonly<Record<string, string>> = {}): Promise<Diagnosis> =>
    doctor({
      AEP_LEDGER_CLICKHOUSE_URL: engine.url,
      AEP_LEDGER_CLICKHOUSE_USER: engine.writer.username,
      AEP_LEDGER_CLICKHOUSE_PASSWORD: engine.writer.password,
      AEP_LEDGER_CLICKHOUSE_DATABASE: database,
      ...env,
    })
  async function makeTables(database: string): Promise<void> {
    const { url, writer, reader } = engine
    const clickhouse = await openClickHouse(
      { url, writer, reader, database },
      { hashLeaf: bytes => leafHashOf(nodeSuite, bytes) },
    )
    await clickhouse.check()
    await clickhouse.close()
  }
  async function ask(query: string): Promise<string> {
    const { origin, pathname } = new URL(engine.url)
    const client = createClient({ url: origin, pathname, ...engine.writer, log: { level: 127 } })
    try {
      const isAsking = /^(SHOW|SELECT)/.test(query)
      if (isAsking) return await (await client.query({ query, format: 'TabSeparated' })).text()
      await client.command({ query })
      return ''
    } finally {
      await client.close()
    }
  }

  it('tells its version, and that there are no tables yet, and makes none', async () => {
    const database = newDatabase()
    const { code, told } = await look(database)
    assert.equal(code, 0)
    assert.match(
      told('ClickHouse').join(),
      /^note \d+\.\d+\S* at http:\/\/127\.0\.0\.1:\d+, database .*: no tables yet/,
    )
    assert.doesNotMatch(await ask('SHOW DATABASES'), new RegExp(database))
  })

  it('finds the tables as this version makes them, an older one’s, or not all of them', async () => {
    const database = newDatabase()
    await makeTables(database)
    const behind = /^note .*: an older version’s tables, or not all of them; a start makes them$/
    const ready = await look(database)
    assert.equal(ready.code, 0)
    assert.match(ready.told('ClickHouse').join(), /^ok \S+ at \S+, database aep_ledger_doctor_\d+$/)
    await ask(`ALTER TABLE ${database}._migrations DELETE WHERE number = 3 SETTINGS mutations_sync = 1`)
    assert.match((await look(database)).told('ClickHouse').join(), behind)
    await makeTables(database)
    await ask(`DROP TABLE ${database}.removals`)
    assert.match((await look(database)).told('ClickHouse').join(), behind)
  })

  it('says which login is refused, and whether anybody answers at all', async () => {
    const wrong = await look(newDatabase(), { AEP_LEDGER_CLICKHOUSE_PASSWORD: 'wrong' })
    assert.equal(wrong.code, 10)
    assert.match(wrong.told('ClickHouse').join(), /^bad .* refuses the login of \w+: mend AEP_LEDGER_CLICKHOUSE_USER/)
    const nobody = await look(newDatabase(), { AEP_LEDGER_CLICKHOUSE_URL: 'http://127.0.0.1:9/' })
    assert.equal(nobody.code, 10)
    assert.deepEqual(nobody.told('ClickHouse'), ['bad there is no answer from http://127.0.0.1:9: ECONNREFUSED'])
  })

  it('says that a table is another, and whose migrations are not its own', async () => {
    const mended = /drop the database aep_ledger_doctor_\d+: its rows are made again from the log$/
    for (const [change, told] of [
      [(name: string) => `ALTER TABLE ${name}.entry_rows DROP COLUMN run`, /run/],
      [
        (name: string) => `INSERT INTO ${name}._migrations (number, name, checksum) VALUES (3, 'entry_rows', 'other')`,
        /migration 3/,
      ],
    ] as const) {
      const database = newDatabase()
      await makeTables(database)
      await ask(change(database))
      const found = await look(database)
      assert.equal(found.code, 10, change(database))
      assert.match(found.told('ClickHouse').join(), told)
      assert.match(found.told('ClickHouse').join(), mended)
    }
    const newer = newDatabase()
    await makeTables(newer)
    await ask(`INSERT INTO ${newer}._migrations (number, name, checksum) VALUES (99, 'later', 'any')`)
    assert.match(
      (await look(newer)).told('ClickHouse').join(),
      /^bad .* migration 99 .* a newer version made; upgrade$/,
    )
  })

  it('says that a cluster is not known there', async () => {
    const { code, told } = await look(newDatabase(), { AEP_LEDGER_CLICKHOUSE_CLUSTER: 'nowhere' })
    assert.equal(code, 10)
    assert.match(told('ClickHouse').join(), /^bad ClickHouse knows no cluster nowhere/)
  })
})
