import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { type ClickHouse, openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { HeldRows, type LogSide } from '../../src/query/held-rows.ts'
import type { SearchCursor } from '../../src/query/port.ts'
import { remakeRows } from '../../src/query/remake.ts'
import { newFolder, noEngine } from './folders.ts'
import { entriesOf, hashLeaf } from './make.ts'

const ledger = 'default'

/** A history of its own: `name` is in each of its entries from `since` on. */
const history = (name: string, length: number, since = 0): readonly StoredEntry[] =>
  entriesOf(
    ledger,
    Array.from({ length }, (_, seq) => ({
      type: 'aep.decision',
      id: `${seq < since ? 'common' : name}-${seq}`,
      data: { decision: 'allow' },
    })),
  )

/** A log that holds `entries`, and can be given more. */
function logOf(entries: readonly StoredEntry[]): LogSide & { entries: readonly StoredEntry[] } {
  return {
    entries,
    async head() {
      return this.entries.length === 0 ? undefined : { seq: this.entries.length - 1 }
    },
    async read(_, from, limit) {
      return this.entries.slice(from, from + limit)
    },
  }
}

describe('rows held against the log', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let rows: ClickHouse
  const removed: string[] = []
  before(async () => {
    engine = await startEngine({ dir: join(folder.path, 'engine') })
    await engine.ready
  })
  beforeEach(async () => {
    rows = await openClickHouse(engine, { hashLeaf })
    await rows.remove(ledger)
    removed.length = 0
  })
  afterEach(() => rows.close())
  after(async () => {
    await engine.close()
    folder.remove()
  })

  const held = (log: LogSide, ownEngine = true, of: ClickHouse = rows, logMayLag = false): HeldRows =>
    new HeldRows({ rows: of, log, hashLeaf, ownEngine, logMayLag, onRemoved: (_, detail) => removed.push(detail) })
  /** What the follower does. */
  async function follow(view: HeldRows, log: LogSide): Promise<void> {
    const entries = await log.read(ledger, (await view.position(ledger)) + 1, 1_000)
    if (entries.length > 0) await view.insert(ledger, entries)
  }
  const idsOf = async (view: HeldRows): Promise<readonly string[]> =>
    (await view.search(ledger, {}, 1_000)).items.map(({ entry }) => JSON.parse(entry).event.id).toReversed()
  const ids = (entries: readonly StoredEntry[]): readonly string[] =>
    entries.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()).event.id)

  it('are believed, and left alone, where they are of its history, however far they are behind', async () => {
    const log = logOf(history('a', 50))
    await rows.insert(ledger, log.entries.slice(0, 30))
    const view = held(log)
    assert.equal(await view.position(ledger), 29)
    await follow(view, log)
    assert.equal((await view.search(ledger, {}, 1)).asOf, 49)
    assert.deepEqual(await idsOf(view), ids(log.entries))
    assert.deepEqual(removed, [])
  })

  it('beyond the end of a log that was restored from a backup are removed, and made from the log', async () => {
    const before = history('lost', 200, 101)
    await rows.insert(ledger, before)
    const log = logOf(before.slice(0, 101))
    const view = held(log)
    // A search may come before the follower does: it claims nothing of the lost history, and shows nothing of it.
    const page = await view.search(ledger, {}, 1_000)
    assert.deepEqual([page.asOf, page.items.length], [-1, 0])
    await follow(view, log)
    assert.deepEqual(await idsOf(view), ids(log.entries))
    log.entries = history('new', 200, 101)
    await follow(view, log)
    assert.equal((await view.search(ledger, {}, 1)).asOf, 199)
    assert.deepEqual(await idsOf(view), ids(log.entries))
    assert.equal(removed.length, 1)
    assert.match(removed[0] ?? '', /seq 199/)
  })

  it('of entries that were lost are removed, though the log has grown past them', async () => {
    await rows.insert(ledger, history('lost', 150, 101))
    const log = logOf(history('new', 180, 101))
    const view = held(log)
    assert.equal(await view.position(ledger), -1)
    await follow(view, log)
    assert.deepEqual(await idsOf(view), ids(log.entries))
  })

  it('of a ledger that somebody else has under that name are removed from an engine of our own', async () => {
    await rows.insert(ledger, history('theirs', 20))
    const log = logOf(history('ours', 10))
    const view = held(log)
    await follow(view, log)
    assert.deepEqual(await idsOf(view), ids(log.entries))
  })

  it('of another installation on a shared server are neither shown nor touched', async () => {
    const theirs = history('theirs', 20)
    await rows.insert(ledger, theirs)
    const view = held(logOf(history('ours', 10)), false)
    for (const call of [view.position(ledger), view.search(ledger, {}, 10), view.reached(ledger, 5, 10)]) {
      await assert.rejects(call, { code: 'query-unavailable', message: /another installation's/ })
    }
    assert.equal((await rows.search(ledger, {}, 1_000)).items.length, theirs.length)
    assert.deepEqual(removed, [])
  })

  it('of another installation on a shared server are in its own database, and both are searched', async () => {
    const theirs = await openClickHouse(
      { url: engine.url, writer: engine.writer, database: 'aep_ledger_theirs' },
      { hashLeaf },
    )
    const logs = [logOf(history('ours', 10)), logOf(history('theirs', 20))] as const
    const views = [held(logs[0], false), held(logs[1], false, theirs)] as const
    await Promise.all([follow(views[0], logs[0]), follow(views[1], logs[1])])
    assert.deepEqual(await idsOf(views[0]), ids(logs[0].entries))
    assert.deepEqual(await idsOf(views[1]), ids(logs[1].entries))
    await rows.remove(ledger)
    assert.equal((await views[1].search(ledger, {}, 1)).asOf, 19)
    await theirs.close()
  })

  describe('while the log at hand lags behind what others have put in', () => {
    const whole = history('a', 200)

    it('are left alone, and claimed no further than the log goes', async () => {
      await rows.insert(ledger, whole)
      const log = logOf(whole.slice(0, 101))
      const view = held(log, false, rows, true)
      assert.equal((await view.search(ledger, {}, 1)).asOf, 100)
      assert.equal(await view.position(ledger), 199)
      await follow(view, log)
      log.entries = whole
      assert.equal((await view.search(ledger, {}, 1)).asOf, 199)
      assert.deepEqual(removed, [])
    })

    it('are shown no further than they are claimed, on every page', async () => {
      await rows.insert(ledger, whole)
      const log = logOf(whole.slice(0, 101))
      const view = held(log, false, rows, true)
      const seqs: number[] = []
      for (let after: SearchCursor | undefined; ; ) {
        const page = await view.search(ledger, {}, 30, after)
        assert.ok(page.items.every(({ seq }) => seq <= page.asOf))
        seqs.push(...page.items.map(({ seq }) => seq))
        if (page.next === undefined) break
        assert.equal(page.items.length, 30)
        after = page.next
      }
      const known = log.entries.map(({ seq }) => Number(seq))
      assert.deepEqual(
        seqs.sort((a, b) => a - b),
        known,
      )
      log.entries = []
      assert.deepEqual(await view.search(ledger, {}, 30), { items: [], asOf: -1 })
    })

    it('are still known for another history, as soon as the log says so', async () => {
      await rows.insert(ledger, history('lost', 200, 101))
      const log = logOf(history('lost', 50, 101))
      const view = held(log, false, rows, true)
      assert.equal((await view.search(ledger, {}, 1)).asOf, 49)
      assert.deepEqual(removed, [])
      log.entries = history('new', 250, 101)
      assert.equal(await view.position(ledger), -1)
      assert.equal(removed.length, 1)
    })
  })

  it('that others took the place of are compared again, while the process runs', async () => {
    const log = logOf(history('ours', 30))
    const client = await openClickHouse(engine, { hashLeaf, onExchanged: () => view.compareAgain() })
    const view: HeldRows = held(log, false, client)
    await follow(view, log)
    assert.equal((await view.search(ledger, {}, 1)).asOf, 29)
    const theirs = history('theirs', 40)
    const read: LogSide['read'] = async (_, from, limit) => theirs.slice(from, from + limit)
    await remakeRows(engine, { ledgers: async () => [ledger], read }, { hashLeaf, force: true })
    await assert.rejects(view.search(ledger, {}, 10), { message: /another installation's/ })
    await assert.rejects(view.position(ledger), { message: /another installation's/ })
    await client.close()
  })

  it('that another installation puts there first are noticed, too', async () => {
    const log = logOf(history('ours', 10))
    const view = held(log, false)
    assert.equal(await view.position(ledger), -1)
    await rows.insert(ledger, history('theirs', 5))
    await assert.rejects(view.position(ledger), { code: 'query-unavailable' })
  })

  it('that come to claim more than the log holds are compared again', async () => {
    const log = logOf(history('ours', 10))
    const view = held(log)
    await follow(view, log)
    assert.equal(await view.position(ledger), 9)
    await rows.insert(ledger, history('theirs', 15))
    await assert.rejects(view.search(ledger, {}, 1), { code: 'query-unavailable' })
    assert.equal(await view.position(ledger), -1)
    await follow(view, log)
    assert.deepEqual(await idsOf(view), ids(log.entries))
  })
})
