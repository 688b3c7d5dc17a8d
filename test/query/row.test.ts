import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { blockRows, blocksOf } from '../../src/query/clickhouse/blocks.ts'
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
  const entries = entriesOf(
    'l',
    Array.from({ length: 40 }, () => decision({})),
  ).map((entry, index) => ({ ...entry, seq: (blockRows - 20 + index) as typeof entry.seq }))

  it('end before each multiple of their size, wherever they begin', () => {
    assert.deepEqual(
      [...blocksOf(entries)].map(block => block.length),
      [20, 20],
    )
    fc.assert(
      fc.property(fc.nat(39), fc.nat(39), (a, b) => {
        const some = entries.slice(Math.min(a, b), Math.max(a, b) + 1)
        const blocks = [...blocksOf(some)]
        assert.deepEqual(blocks.flat(), some)
        for (const block of blocks.slice(0, -1)) assert.equal(((block.at(-1)?.seq ?? 0) + 1) % blockRows, 0)
      }),
    )
  })

  it('end where an insert ended that nobody knows the outcome of', () => {
    const last = entries[4]?.seq
    assert.deepEqual(
      [...blocksOf(entries, last)].map(block => block.length),
      [5, 15, 20],
    )
  })

  it('hold no more bytes than they may, but for a single entry', () => {
    const large = entries.slice(0, 20).map(entry => ({ ...entry, bytes: new Uint8Array(6 * 1024 * 1024) }))
    assert.deepEqual(
      [...blocksOf(large)].map(block => block.length),
      Array.from({ length: 10 }, () => 2),
    )
    const huge = entries.slice(0, 3).map(entry => ({ ...entry, bytes: new Uint8Array(17 * 1024 * 1024) }))
    assert.deepEqual(
      [...blocksOf(huge)].map(block => block.length),
      [1, 1, 1],
    )
  })
})
