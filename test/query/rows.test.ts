import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClickHouseClient, createClient } from '@clickhouse/client'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { type ClickHouse, openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { type RowFinding, rowsAgainst } from '../../src/query/rows-against.ts'
import { newFolder, noEngine } from './folders.ts'
import { entriesOf, hashLeaf, moment } from './make.ts'

const ledger = 'acme/prod'
const count = 12_000

/** Entries over two months by the ledger's own time, so that a block may fall into two partitions. */
const entries = entriesOf(
  ledger,
  Array.from({ length: count }, (_, index) => ({
    type: 'aep.decision',
    time: moment(index),
    takenAt: index < 10_000 ? '2026-03-31T23:59:00.000Z' : '2026-04-01T00:00:00.000Z',
    data: { decision: index % 50 === 0 ? 'deny' : 'allow', run_id: `r-${index % 100}` },
  })),
)

describe('rows', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let clickHouse: ClickHouse
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
  })
  beforeEach(async () => {
    clickHouse = await openClickHouse(engine, { hashLeaf })
    await clickHouse.remove(ledger)
  })
  afterEach(() => clickHouse.close())
  after(async () => {
    await engine.close()
    folder.remove()
  })

  /** As the writer, past the adapter: what a crash, or who holds ClickHouse, leaves behind. */
  async function withWriter<T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T> {
    const { origin, pathname } = new URL(engine.url)
    const client = createClient({ url: origin, pathname, ...engine.writer, log: { level: 127 } })
    try {
      return await work(client)
    } finally {
      await client.close()
    }
  }
  const command = (query: string): Promise<unknown> =>
    withWriter(client => client.command({ query, clickhouse_settings: { mutations_sync: '2' } }))
  async function stored(): Promise<{ rows: number; seqs: number }> {
    return withWriter(async client => {
      const query = 'SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(seq)) AS seqs FROM aep_ledger.entry_rows'
      const answer = await client.query({ query, format: 'JSONEachRow' })
      const [first] = await answer.json<{ rows: number; seqs: number }>()
      return first ?? { rows: -1, seqs: -1 }
    })
  }
  async function findings(length = count): Promise<RowFinding[]> {
    const found: RowFinding[] = []
    const some = async (from: number, limit: number): Promise<readonly StoredEntry[]> =>
      entries.slice(from, Math.min(from + limit, length))
    for await (const finding of rowsAgainst(clickHouse, ledger, some, hashLeaf)) found.push(finding)
    return found
  }

  /** Kills the engine, and waits for it to be up again. */
  async function killed(): Promise<void> {
    const { pid } = engine
    process.kill(pid ?? 0, 'SIGKILL')
    while (engine.pid === pid || engine.status() !== 'up') await sleep(20)
  }

  it('are all there once, whatever cuts they come in and however often', async () => {
    await clickHouse.insert(ledger, entries.slice(0, 100))
    await clickHouse.insert(ledger, entries.slice(0, 100))
    await clickHouse.insert(ledger, entries.slice(50, 9_000))
    const other = await openClickHouse(engine, { hashLeaf })
    await other.insert(ledger, entries.slice(0, 7))
    await other.insert(ledger, entries.slice(3, 10_345))
    await other.close()
    await clickHouse.insert(ledger, entries)
    assert.deepEqual(await stored(), { rows: count, seqs: count })
    assert.equal(await clickHouse.position(ledger), count - 1)
    assert.deepEqual(await findings(), [])
  })

  it('are as the log says, member by member', async () => {
    await clickHouse.insert(ledger, entries.slice(0, 3_000))
    assert.deepEqual(await findings(3_000), [])
    // What the follower has not brought over yet is late, not missing.
    assert.deepEqual(await findings(4_000), [])
  })

  it('leave no hole: entries that begin after the position are refused', async () => {
    await clickHouse.insert(ledger, entries.slice(0, 10))
    await assert.rejects(clickHouse.insert(ledger, entries.slice(11, 20)), { code: 'query-unavailable' })
    assert.equal(await clickHouse.position(ledger), 9)
  })

  it('claim a position no further than they are there without a hole', async () => {
    await clickHouse.insert(ledger, entries)
    for (const [condition, position] of [
      ['seq = 11999', 11_998],
      ['seq BETWEEN 9000 AND 9010', 8_999],
      ['seq = 0', -1],
    ] as const) {
      await command(`DELETE FROM aep_ledger.entry_rows WHERE ${condition}`)
      const fresh = await openClickHouse(engine, { hashLeaf })
      assert.equal(await fresh.position(ledger), position, condition)
      const { asOf } = await fresh.search(ledger, {}, 1)
      assert.equal(asOf, position)
      await fresh.close()
    }
  })

  it('are filled in again where they were taken away, though their blocks were in before', async () => {
    await clickHouse.insert(ledger, entries)
    await command('DELETE FROM aep_ledger.entry_rows WHERE seq BETWEEN 8192 AND 11999 OR seq = 3')
    await clickHouse.close()
    clickHouse = await openClickHouse(engine, { hashLeaf })
    assert.equal(await clickHouse.position(ledger), 2)
    await clickHouse.insert(ledger, entries.slice(3))
    assert.deepEqual(await stored(), { rows: count, seqs: count })
    assert.deepEqual(await findings(), [])
  })

  it('that were taken away are not claimed by who put them in, nor by who only searches, and come again', async () => {
    await clickHouse.close()
    clickHouse = await openClickHouse(engine, { hashLeaf, countMs: 0 })
    const reader = await openClickHouse(engine, { hashLeaf, countMs: 0 })
    await clickHouse.insert(ledger, entries)
    for (const condition of ['seq > 11000', 'seq BETWEEN 500 AND 600']) {
      assert.equal((await reader.search(ledger, {}, 1)).asOf, count - 1)
      await command(`DELETE FROM aep_ledger.entry_rows WHERE ${condition}`)
      const position = condition.startsWith('seq >') ? 11_000 : 499
      for (const rows of [clickHouse, reader]) {
        assert.equal((await rows.search(ledger, {}, 1)).asOf, position)
        assert.equal(await rows.reached(ledger, position + 1, 0), false)
      }
      await clickHouse.insert(ledger, entries.slice(position + 1))
      assert.deepEqual(await stored(), { rows: count, seqs: count })
    }
    await reader.close()
  })

  it('are made whole where a block got in by halves, one month and not the other', async () => {
    await clickHouse.insert(ledger, entries.slice(0, 8_192))
    await clickHouse.insert(ledger, entries.slice(8_192, 11_000))
    // What a process killed between two partitions leaves behind.
    await command(`DELETE FROM aep_ledger.entry_rows WHERE seq BETWEEN 8192 AND 9999`)
    await clickHouse.close()
    clickHouse = await openClickHouse(engine, { hashLeaf })
    assert.equal(await clickHouse.position(ledger), 8_191)
    await clickHouse.insert(ledger, entries.slice(8_192))
    assert.deepEqual(await stored(), { rows: count, seqs: count })
  })

  it('are shown once though they are there twice', async () => {
    await clickHouse.insert(ledger, entries.slice(0, 500))
    await command('SYSTEM STOP MERGES aep_ledger.entry_rows').catch(() => {})
    await command('INSERT INTO aep_ledger.entry_rows SELECT * FROM aep_ledger.entry_rows')
    const before = await stored()
    const seen: number[] = []
    for (let after: Parameters<ClickHouse['search']>[3]; ; ) {
      const page = await clickHouse.search(ledger, {}, 33, after)
      seen.push(...page.items.map(({ seq }) => seq))
      if (page.next === undefined) break
      assert.equal(page.items.length, 33)
      after = page.next
    }
    assert.deepEqual(
      seen,
      entries
        .slice(0, 500)
        .map(({ seq }) => seq)
        .toReversed(),
    )
    assert.equal(before.seqs, 500)
  })

  it('are removed ledger by ledger, and come back', async () => {
    const others = entriesOf('acme/test', [{ type: 'aep.decision', data: { decision: 'allow' } }])
    await clickHouse.insert('acme/test', others)
    await clickHouse.insert(ledger, entries.slice(0, 1_000))
    await clickHouse.remove(ledger)
    assert.equal(await clickHouse.position(ledger), -1)
    assert.equal(await clickHouse.position('acme/test'), 0)
    await clickHouse.remove('acme/test')
    await clickHouse.insert(ledger, entries.slice(0, 1_000))
    assert.deepEqual(await stored(), { rows: 1_000, seqs: 1_000 })
  })

  it('are exact after kills in the middle of inserts, each followed by whatever comes next', {
    timeout: 120_000,
  }, async () => {
    let sent = 0
    for (let round = 0; round < 5; round++) {
      const inserting = clickHouse.insert(ledger, entries.slice(sent)).then(
        () => true,
        () => false,
      )
      await sleep(20 + 60 * round)
      await killed()
      await inserting
      sent = Math.max(0, (await clickHouse.position(ledger)) + 1)
    }
    await clickHouse.insert(ledger, entries.slice(sent))
    assert.equal(await clickHouse.position(ledger), count - 1)
    assert.deepEqual(await findings(), [])
    assert.deepEqual(await stored(), { rows: count, seqs: count })
  })

  it('let `reached` wait for them, and no longer than it may', async () => {
    const waiting = clickHouse.reached(ledger, 9, 5_000)
    await sleep(100)
    await clickHouse.insert(ledger, entries.slice(0, 10))
    assert.equal(await waiting, true)
    assert.equal(await clickHouse.reached(ledger, 10, 100), false)
  })

  it('do not hold up the event loop while they are made', async () => {
    let longestMs = 0
    let last = performance.now()
    const pulse = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - last)
      last = performance.now()
    }, 1)
    await clickHouse.insert(ledger, entries)
    clearInterval(pulse)
    // 8,192 rows in one piece take far longer than this, even on a busy machine.
    assert.ok(longestMs < 150, `${longestMs} ms`)
  })

  describe('of somebody who holds ClickHouse', () => {
    const tampering: readonly (readonly [string, string, RowFinding[]])[] = [
      ['taken away', 'DELETE FROM aep_ledger.entry_rows WHERE seq = 17', [{ code: 'row-missing', seq: 17 }]],
      [
        'hidden from search',
        `ALTER TABLE aep_ledger.entry_rows UPDATE terms = [] WHERE seq = 50`,
        [{ code: 'row-changed', seq: 50, members: ['terms'] }],
      ],
      [
        'given another decision',
        `ALTER TABLE aep_ledger.entry_rows UPDATE fact_decision = ['allow'] WHERE seq = 50`,
        [{ code: 'row-changed', seq: 50, members: ['facts'] }],
      ],
      [
        'given another entry',
        `ALTER TABLE aep_ledger.entry_rows UPDATE entry = replaceOne(entry, 'deny', 'allow') WHERE seq = 50`,
        [{ code: 'row-changed', seq: 50, members: ['entry'] }],
      ],
      [
        'given another leaf hash',
        `ALTER TABLE aep_ledger.entry_rows UPDATE leaf_hash = unhex(repeat('ab', 32)) WHERE seq = 50`,
        [{ code: 'row-changed', seq: 50, members: ['leafHash'] }],
      ],
      [
        'invented',
        'INSERT INTO aep_ledger.entry_rows SELECT * REPLACE (toUInt64(2000) AS seq) FROM (SELECT * FROM aep_ledger.entry_rows WHERE seq = 5)',
        [{ code: 'row-invented', seq: 2_000n }],
      ],
      [
        'doubled at another time',
        'INSERT INTO aep_ledger.entry_rows SELECT * REPLACE (time + 1 AS time) FROM aep_ledger.entry_rows WHERE seq = 5',
        [
          { code: 'row-doubled', seq: 5 },
          { code: 'row-changed', seq: 5, members: ['timeMs'] },
        ],
      ],
    ]
    for (const [what, sql, expected] of tampering) {
      it(`are known when one is ${what}`, async () => {
        await clickHouse.insert(ledger, entries.slice(0, 2_000))
        await command(sql)
        assert.deepEqual(await findings(2_000), expected)
      })
    }

    it('are known when they are invented in great number, up to the largest seq, and doubled as often', async () => {
      await clickHouse.insert(ledger, entries.slice(0, 2_000))
      const invented = 120_000
      const from = '(SELECT * FROM aep_ledger.entry_rows WHERE seq = 5) AS one CROSS JOIN numbers'
      for (const [made, n] of [
        ['2000 + number AS seq', invented],
        ['toUInt64(18446744073709551615 - number) AS seq', 3],
        ['time + number + 1 AS time', 30_000],
      ] as const) {
        await command(`INSERT INTO aep_ledger.entry_rows SELECT one.* REPLACE (${made}) FROM ${from}(${n}) AS many`)
      }
      const found = await findings(2_000)
      assert.deepEqual(
        found.flatMap(({ code, seq }) => (code === 'row-invented' ? [seq] : [])),
        [
          ...Array.from({ length: invented }, (_, n) => BigInt(2_000 + n)),
          ...[2n, 1n, 0n].map(less => 2n ** 64n - 1n - less),
        ],
      )
      assert.deepEqual(
        found.filter(({ code }) => code !== 'row-invented').map(({ code, seq }) => [code, seq]),
        [['row-doubled', 5], ...found.flatMap(({ code }) => (code === 'row-changed' ? [['row-changed', 5]] : []))],
      )
    })
  })

  it('are out of reach while ClickHouse is down, and there again after', { timeout: 60_000 }, async () => {
    await clickHouse.insert(ledger, entries.slice(0, 100))
    process.kill(engine.pid ?? 0, 'SIGKILL')
    while (engine.status() !== 'down') await sleep(5)
    for (const call of [
      clickHouse.search(ledger, {}, 1),
      clickHouse.insert(ledger, entries.slice(0, 200)),
      clickHouse.reached(ledger, 100, 1_000),
    ]) {
      await assert.rejects(call, { name: 'Fault', code: 'query-unavailable' })
    }
    while (engine.status() !== 'up') await sleep(20)
    assert.equal((await clickHouse.search(ledger, {}, 1)).asOf, 99)
    await clickHouse.insert(ledger, entries.slice(0, 200))
    assert.equal(await clickHouse.position(ledger), 199)
  })
})
