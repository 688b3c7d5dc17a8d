import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { blockBytesMax, blockRows, encodeBlock } from '../../src/query/clickhouse/blocks.ts'
import { type Row, rowOf } from '../../src/query/row.ts'
import { decidedOf, wordsOf } from '../../src/query/terms.ts'
import { type Event, entriesOf, hashLeaf } from './make.ts'

function row(event: Event): Row {
  const [entry] = entriesOf('acme/prod', [event])
  assert.ok(entry)
  return rowOf(entry, hashLeaf(entry.bytes))
}

const decision = (data: object): Event => ({ type: 'aep.decision', data: { decision: 'deny', ...data } })
const takenAt = '2026-03-01T00:00:00.000Z'
const takenMs = Date.parse(takenAt)

describe('the row of an entry', () => {
  it('holds its place, its leaf hash, its signature and its very bytes', () => {
    const [entry] = entriesOf('acme/prod', [decision({})])
    assert.ok(entry)
    const it = rowOf(entry, hashLeaf(entry.bytes))
    assert.equal(it.ledger, 'acme/prod')
    assert.equal(it.seq, 0)
    assert.equal(it.leafHash, hashLeaf(entry.bytes))
    assert.equal(it.entry, entry.bytes)
    assert.equal(it.signature, entry.signature)
    assert.equal(it.recordedAtMs, takenMs)
    assert.deepEqual([it.by, it.emitterSig, it.recordSig], ['test', 'absent', 'not_a_record'])
  })

  it('is timed by the emitter', () => {
    const { timeMs, timeFrom } = row({ ...decision({}), time: '2025-01-01T01:00:00.5+01:00' })
    assert.deepEqual([timeMs, timeFrom], [Date.UTC(2025, 0, 1, 0, 0, 0, 500), 'event'])
  })

  for (const [what, time] of [
    ['says no time', undefined],
    ['says a time that is none', '2025-13-01T00:00:00Z'],
    ['says a time before ClickHouse’s first', '1899-12-31T23:59:59.999Z'],
    ['says a time after ClickHouse’s last', '2300-01-01T00:00:00Z'],
  ] as const) {
    it(`is timed by the ledger, and says so, where the emitter ${what}`, () => {
      const { timeMs, timeFrom } = row({ ...decision({}), ...(time === undefined ? {} : { time }), takenAt })
      assert.deepEqual([timeMs, timeFrom], [takenMs, 'recorded'])
    })
  }

  it('has an undeclared side effect as unknown', () => {
    const undeclared = row(decision({}))
    assert.equal(undeclared.facts[0]?.sideEffect, 'unknown')
    assert.ok(undeclared.terms.includes('effect=unknown'))
    assert.ok(!row(decision({ side_effect_class: 'read' })).terms.includes('effect=unknown'))
  })

  it('is found by every tool that a lease grants', () => {
    const it = row({
      type: 'aep.lease.granted',
      data: {
        lease_id: 'l-1',
        principal_hash: '0123456789abcdef',
        server_id: 's',
        granted_tools: ['read', 'write'],
        expires_at: 'soon',
      },
    })
    assert.deepEqual(it.facts[0]?.tools, ['read', 'write'])
    assert.deepEqual(
      ['tool=read', 'tool=write', 'lease=l-1', 'server=s', 'facts=one'].filter(term => !it.terms.includes(term)),
      [],
    )
  })

  it('keeps the reasons that the event gives, each once, its layers’ too, in lower case', () => {
    const { reasons, terms } = row(
      decision({ reasons: ['No Lease', 'no lease'], layers: { taint: { verdict: 'deny', reasons: ['ÜBER-Größe'] } } }),
    )
    assert.equal(reasons, 'no lease\nüber-größe')
    assert.deepEqual(
      terms.filter(term => term.startsWith('word=')),
      ['word=no', 'word=lease', 'word=über', 'word=größe'],
    )
    assert.equal(row({ type: 'aep.gap', data: { count: 3, reason: 'Disk Full' } }).reasons, 'disk full')
  })

  it('names the one principal, session and run of its facts, and none where they differ', () => {
    const principal = { principal_hash: '0123456789abcdef', session_id: 's-1' }
    const one = row(decision({ principal, run_id: 'r-1' }))
    assert.deepEqual([one.principal, one.session, one.run], ['0123456789abcdef', 's-1', 'r-1'])
    const decided = (subject: string): object => ({ subject, decision: 'allow' })
    const record = { run_id: 'r-2', capability_decisions: [decided('alice'), decided('bob')] }
    const two = row({ type: 'aep.record', data: { record: JSON.stringify(record) } })
    assert.deepEqual(
      two.facts.map(fact => fact.principal),
      ['alice', 'bob'],
    )
    assert.deepEqual([two.principal, two.run], ['', 'r-2'])
    assert.ok(two.terms.includes('facts=many'))
    assert.notEqual(decidedOf('deny a', 'b'), decidedOf('deny', 'a b'))
  })

  it('has no facts where the event tells of none', () => {
    assert.deepEqual(row({ type: 'aep.record', data: { record: 'no record' } }).facts, [])
  })
})

describe('words', () => {
  it('are parted by everything in ASCII but letters and digits', () => {
    assert.deepEqual(wordsOf(`It's "rm -rf /x\\y"\t{x:String}\0Große_42`), [
      ...['it', 's', 'rm', 'rf', 'x', 'y', 'x', 'string', 'große', '42'],
    ])
    assert.deepEqual(wordsOf(' -- \n'), [])
  })
})

describe('blocks', () => {
  type Some = readonly [StoredEntry, ...StoredEntry[]]
  const lastOf = async (entries: readonly StoredEntry[]): Promise<number> =>
    (await encodeBlock(hashLeaf, entries as Some)).last

  it('end before each multiple of their size, wherever they begin', async () => {
    const made = entriesOf(
      'l',
      Array.from({ length: 40 }, () => decision({})),
    )
    const entries = made.map((entry, index) => ({ ...entry, seq: (blockRows - 20 + index) as typeof entry.seq }))
    for (const from of [0, 7, 19]) assert.equal(await lastOf(entries.slice(from)), blockRows - 1)
    assert.equal(await lastOf(entries.slice(20)), blockRows + 19)
    assert.equal(await lastOf(entries.slice(3, 6)), blockRows - 15)
  })

  it('end with the month of the partition: the one of the time that the ledger gives', async () => {
    const takenAt = ['2026-03-31T23:59:59.999Z', '2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00.000Z']
    const entries = entriesOf(
      'l',
      takenAt.map(at => ({ ...decision({}), takenAt: at })),
    )
    assert.equal(await lastOf(entries), 1)
    assert.equal(await lastOf(entries.slice(2)), 2)
  })

  it('hold no more bytes than they may, but for a single entry', async () => {
    const entries = entriesOf(
      'l',
      Array.from({ length: 300 }, () => decision({ reasons: ['x'.repeat(60_000)] })),
    )
    const last = await lastOf(entries)
    const bytes = (until: number): number => entries.slice(0, until).reduce((sum, entry) => sum + entry.bytes.length, 0)
    assert.ok(bytes(last + 1) <= blockBytesMax && bytes(last + 2) > blockBytesMax)
  })
})
