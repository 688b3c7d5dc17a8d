import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../src/base/fault.ts'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { type ClickHouse, openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import type { SearchFilter, SearchHit } from '../../src/query/port.ts'
import { rowOf } from '../../src/query/row.ts'
import { newFolder, noEngine } from './folders.ts'
import { type Event, entriesOf, hashLeaf, moment } from './make.ts'
import { searchRows } from './oracle.ts'

/** Texts that have ended in statements before, and such as filters may really hold. */
const odd = [
  `it's`,
  `"quoted"`,
  'back\\slash',
  '\\',
  `'; DROP TABLE aep_ledger.entry_rows; --`,
  '{x:String}',
  '{ledger:String}',
  'tab\tand\nline',
  'nul\u0000inside',
  '%41&user=default',
  'Größe 漢字 🦊',
  '[]',
  `['a','b']`,
  'NULL',
  '\\N',
]
const principals = ['0123456789abcdef', 'fedcba9876543210', 'aaaaaaaaaaaaaaaa']
const tools = ['read', 'write', ...odd]
const effects = ['none', 'read', 'write']

/** Events of every kind that the filters ask about, drawn from few values, so that they meet; some with the same moment. */
function eventAt(index: number): Event {
  const pick = <T>(values: readonly T[], salt: number): T => values[(index * 7 + salt * 13) % values.length] as T
  const time = moment(Math.floor(index / 3))
  const place = {
    principal_hash: pick(principals, 1),
    session_id: `s-${index % 5}`,
    run_id: `r-${index % 11}`,
    server_id: `server-${index % 3}`,
    tool_name: pick(tools, 2),
  }
  switch (index % 6) {
    case 0:
      return { type: 'aep.result', time, data: { outcome: 'succeeded', ...place } }
    case 1:
      return { type: 'aep.lease.used', time, data: { lease_id: `l-${index % 4}`, ...place } }
    case 2: {
      const { tool_name, ...rest } = place
      const granted_tools = [tool_name, pick(tools, 5)]
      return {
        type: 'aep.lease.granted',
        time,
        data: { lease_id: `l-${index % 4}`, granted_tools, expires_at: time, ...rest },
      }
    }
    case 3: {
      const action = (salt: number): object => ({
        action_id: `a-${salt}`,
        tool_name: pick(tools, salt),
        capability_decision: { subject: pick(principals, salt), decision: (index + salt) % 4 < 2 ? 'allow' : 'deny' },
      })
      const record = { schema_version: 'aep/v0.3', run_id: place.run_id, actions: [action(3), action(4), action(5)] }
      return { type: 'aep.record', time, data: { record: JSON.stringify(record) } }
    }
    default: {
      const { principal_hash, session_id, run_id, server_id, tool_name } = place
      const denied = index % 4 === 0
      const data = {
        decision: denied ? 'deny' : 'allow',
        principal: { principal_hash, session_id },
        run_id,
        target: { server_id, tool_name },
        ...(denied ? { deny_reason_class: index % 8 === 0 ? 'lease_expired' : 'taint_blocked' } : {}),
        ...(index % 5 === 0 ? {} : { side_effect_class: pick(effects, 7) }),
        reasons: [`Lease ${index % 4} is ${pick(['expired', 'fine'], 8)}`, pick(odd, 9)],
        matched_policies: [`p-${index % 2}`, pick(odd, 10)],
        lease_id: `l-${index % 4}`,
      }
      return { type: 'aep.decision', time, data }
    }
  }
}

const count = 600
const ledger = 'acme/prod'
const entries = entriesOf(
  ledger,
  Array.from({ length: count }, (_, index) => eventAt(index)),
)
const rows = entries.map(entry => rowOf(entry, hashLeaf(entry.bytes)))

describe('search', { skip: noEngine }, () => {
  const folder = newFolder()
  let engine: Engine
  let clickHouse: ClickHouse
  before(async () => {
    engine = await startEngine({ dir: folder.path })
    await engine.ready
    clickHouse = await openClickHouse(engine, { hashLeaf })
    await clickHouse.insert(ledger, entries)
    await clickHouse.insert('acme/other', entriesOf('acme/other', [eventAt(4)]))
  })
  after(async () => {
    await clickHouse.close()
    await engine.close()
    folder.remove()
  })

  const found = async (filter: SearchFilter): Promise<readonly number[]> =>
    (await clickHouse.search(ledger, filter, 1_000)).items.map(({ seq }) => seq)
  const expected = (filter: SearchFilter): readonly number[] => searchRows(rows, filter).map(({ seq }) => seq)

  it('without a filter gives everything of the ledger and nothing of another, newest first', async () => {
    assert.deepEqual(await found({}), expected({}))
    assert.deepEqual((await clickHouse.search('acme/none', {}, 10)).items, [])
  })

  it('gives the entry’s own bytes, leaf hash and signature', async () => {
    const { items } = await clickHouse.search(ledger, {}, 1_000)
    for (const hit of items) checkHit(hit, entries)
  })

  const some = (row: (typeof rows)[number]): Record<string, readonly string[]> => ({
    principals: row.facts.map(fact => fact.principal),
    runs: row.facts.map(fact => fact.run),
    sessions: row.facts.map(fact => fact.session),
    servers: row.facts.map(fact => fact.server),
    tools: row.facts.flatMap(fact => fact.tools),
    decisions: row.facts.map(fact => fact.decision),
    denyReasons: row.facts.map(fact => fact.denyReason),
    sideEffects: row.facts.map(fact => fact.sideEffect),
    leases: row.facts.map(fact => fact.lease),
    policies: row.facts.flatMap(fact => fact.policies),
  })

  for (const name of Object.keys(rows[0] ? some(rows[0]) : {})) {
    it(`by ${name} finds exactly the rows that have the value, whatever is written in it`, async () => {
      const values = new Set(rows.flatMap(row => some(row)[name] ?? []).filter(value => value !== ''))
      assert.ok(values.size > 1, name)
      for (const value of values) {
        const filter = { [name]: [value] }
        assert.ok(expected(filter).length > 0)
        assert.deepEqual(await found(filter), expected(filter), JSON.stringify(filter))
      }
    })
  }

  it('by type and by time finds exactly those', async () => {
    for (const types of [['aep.decision'], ['aep.result', 'aep.record'], ['aep.gap']]) {
      assert.deepEqual(await found({ types }), expected({ types }))
    }
    const [sinceMs, untilMs] = [Date.parse(moment(20)), Date.parse(moment(120))]
    for (const filter of [{ sinceMs }, { untilMs }, { sinceMs, untilMs }, { sinceMs: untilMs, untilMs: sinceMs }]) {
      assert.deepEqual(await found(filter), expected(filter))
    }
    for (const far of [Number.MAX_SAFE_INTEGER, Date.UTC(2300, 0, 1), -Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await found({ sinceMs: far }), expected({ sinceMs: far }))
      assert.deepEqual(await found({ untilMs: far }), expected({ untilMs: far }))
    }
  })

  it('by words finds rows whose reasons hold all of them, in any case and order', async () => {
    for (const words of [
      ['expired'],
      ['EXPIRED lease'],
      ['is', 'lease', '3'],
      ['größe', '漢字'],
      [`DROP table`],
      ['xpired'],
    ]) {
      assert.deepEqual(await found({ words }), expected({ words }), String(words))
    }
    assert.ok(expected({ words: ['größe', '漢字'] }).length > 0)
  })

  it('finds undeclared side effects as unknown', async () => {
    const seqs = await found({ sideEffects: ['unknown'], types: ['aep.decision'] })
    assert.ok(seqs.length > 0)
    for (const seq of seqs) assert.ok(!Buffer.from(entries[seq]?.bytes ?? []).includes('side_effect_class'))
  })

  it('holds several filters over facts against one and the same fact', async () => {
    // Records tell of three decisions each: there are such that deny one tool and allow another.
    const filter = { decisions: ['deny'], tools: ['read'], types: ['aep.record'] }
    const loosely = rows.filter(
      row =>
        row.type === 'aep.record' &&
        row.facts.some(fact => fact.decision === 'deny') &&
        row.facts.some(fact => fact.tools.includes('read')),
    )
    assert.ok(expected(filter).length > 0 && loosely.length > expected(filter).length)
    assert.deepEqual(await found(filter), expected(filter))
  })

  it('by decisions and tools, one or several, finds what one fact says of both', async () => {
    const all = [...new Set(rows.flatMap(row => row.facts.flatMap(fact => fact.tools)))].filter(tool => tool !== '')
    for (const tool of all) {
      for (const decision of ['allow', 'deny']) {
        const filter = { decisions: [decision], tools: [tool] }
        assert.deepEqual(await found(filter), expected(filter), JSON.stringify(filter))
        const more = { ...filter, principals: [rows[4]?.facts[0]?.principal ?? ''] }
        assert.deepEqual(await found(more), expected(more), JSON.stringify(more))
      }
    }
    for (const filter of [
      { decisions: ['deny', 'ask_user'], tools: all.slice(0, 3) },
      { decisions: ['allow', 'deny'], tools: [...all, ...Array.from({ length: 60 }, (_, n) => `none-${n}`)] },
      { decisions: ['deny'], tools: ['x'.repeat(1_020)] },
    ]) {
      assert.deepEqual(await found(filter), expected(filter))
    }
  })

  it('by any mixture of filters finds what a reading row by row finds', { timeout: 120_000 }, async () => {
    const value = fc.nat(count - 1).chain(seq => {
      const facts = rows[seq] ? some(rows[seq]) : {}
      const named = Object.entries(facts).filter(([, values]) => values.some(one => one !== ''))
      return fc.subarray(named, { maxLength: 4 }).chain(chosen =>
        fc
          .tuple(
            ...chosen.map(([, values]) =>
              fc.shuffledSubarray(
                values.filter(one => one !== ''),
                { minLength: 1 },
              ),
            ),
          )
          .map(lists => Object.fromEntries(chosen.map(([name], index) => [name, lists[index]])) as SearchFilter),
      )
    })
    const filter = fc.tuple(value, value).map(([a, b]) => ({ ...a, ...b }))
    await fc.assert(
      fc.asyncProperty(filter, async of => {
        assert.deepEqual(await found(of), expected(of))
      }),
      { numRuns: 80, seed: 20260301 },
    )
  })

  it('pages through everything once, without a hole, while rows come in', async () => {
    const seen: number[] = []
    let after: Parameters<ClickHouse['search']>[3]
    let more = [...entries]
    for (let page = 0; ; page++) {
      const { items, next } = await clickHouse.search(ledger, {}, 37, after)
      seen.push(...items.map(({ seq }) => seq))
      if (next === undefined) break
      after = next
      // Newer and older than what has been shown, by event time; both after it in seq.
      const head = { seq: more.length - 1, leafHash: hashLeaf(more.at(-1)?.bytes ?? new Uint8Array()), recordedAt: '' }
      const events = [
        { ...eventAt(4), time: moment(10_000 + page) },
        { ...eventAt(4), time: moment(-10_000 - page) },
      ]
      const added = entriesOf(ledger, events, head as never)
      more = [...more, ...added]
      await clickHouse.insert(ledger, added)
    }
    assert.equal(new Set(seen).size, seen.length)
    const shown = new Set(seen)
    for (let seq = 0; seq < count; seq++) assert.ok(shown.has(seq), `${seq} was shown`)
  })

  it('says next only when there is more', async () => {
    const all = expected({ types: ['aep.lease.used'] }).length
    const whole = await clickHouse.search(ledger, { types: ['aep.lease.used'] }, all)
    assert.equal(whole.next, undefined)
    const part = await clickHouse.search(ledger, { types: ['aep.lease.used'] }, all - 1)
    assert.deepEqual(part.next, { timeMs: part.items.at(-1)?.timeMs, seq: part.items.at(-1)?.seq })
  })

  it('refuses a limit that is none', async () => {
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) {
      await assert.rejects(clickHouse.search(ledger, {}, limit), { name: 'Fault', code: 'invalid-request' })
    }
  })

  it('is given up when its caller gives up, and leaves the connection as it was', async () => {
    const controller = new AbortController()
    const searching = clickHouse.search(ledger, {}, 1_000, undefined, controller.signal)
    controller.abort()
    await assert.rejects(searching, Fault)
    assert.equal((await clickHouse.search(ledger, {}, 1)).items.length, 1)
  })
})

function checkHit(hit: SearchHit, from: readonly StoredEntry[]): void {
  const entry = from[hit.seq]
  assert.ok(entry)
  assert.equal(hit.entry, Buffer.from(entry.bytes).toString())
  assert.equal(hit.leafHash, hashLeaf(entry.bytes))
  assert.equal(hit.signature, Buffer.from(entry.signature).toString('base64'))
}
