import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from '../../src/query/clickhouse/connection.ts'
import { Positions } from '../../src/query/clickhouse/positions.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { askEngine } from './ask.ts'
import { newFolder, noEngine } from './folders.ts'

describe('the connection to ClickHouse', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let connection: Connection
  let lost = 0
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
    connection = new Connection(engine, () => {
      lost += 1
    })
    await connection.read('SELECT 1', {})
  })
  after(async () => {
    await connection.close()
    await engine.close()
    folder.remove()
  })

  it('forgets nothing of the rows where a statement was too much, or wrong', async () => {
    for (const [statement, message] of [
      ['SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 1000000', /too much memory/],
      [
        'SELECT count(sipHash128(number)) FROM numbers(1000000000000) SETTINGS max_execution_time = 0.1',
        /took too long/,
      ],
      ['SELECT throwIf(1)', /refused with code 395/],
    ] as const) {
      await assert.rejects(connection.readLong(statement, {}), { code: 'query-unavailable', message })
    }
    assert.equal(lost, 0)
  })

  it('forgets all where tables are gone, or the server', async () => {
    await assert.rejects(connection.read('SELECT * FROM gone', {}), { message: /code 60 / })
    assert.equal(lost, 1)
    await connection.read('SELECT 1', {})
    const { pid } = engine
    process.kill(pid ?? 0, 'SIGKILL')
    await assert.rejects(connection.read('SELECT 1', {}), { message: /does not answer/ })
    assert.ok(lost > 1)
    while (engine.pid === pid || engine.status() !== 'up') await sleep(20)
  })

  it('tells where a ledger of many slices has its first hole', async () => {
    const positions = () => new Positions(connection, { sliceChunks: 1 })
    await connection.read('SELECT 1', {})
    const into = 'INSERT INTO aep_ledger.entry_rows (ledger, seq, recorded_at, time, time_from, entry)'
    await askEngine(engine, `${into} SELECT 'l', number, 0, number, 'event', '' FROM numbers(196608)`)
    const standing = async () => {
      const { position, last } = await positions().standing('l', false)
      return [position, last]
    }
    assert.deepEqual(await standing(), [196_607, 196_607])
    for (const seq of [196_607, 131_072, 131_071, 70_000, 0]) {
      await askEngine(engine, `DELETE FROM aep_ledger.entry_rows WHERE seq = ${seq}`)
      assert.deepEqual(await standing(), [seq - 1, 196_606], String(seq))
    }
    assert.deepEqual(
      await positions()
        .standing('none', false)
        .then(({ position, last }) => [position, last]),
      [-1, -1],
    )
  })
})
