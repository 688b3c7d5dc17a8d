import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../../src/aep/json.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { evolve, LeaseBook, leaseAt, leaseFacts, leaseFactsIn } from '../../src/projections/leases.ts'
import { itemsOf } from '../../src/projections/pages.ts'
import { fullData } from '../vectors/events.ts'
import {
  alice,
  bob,
  bytesOf,
  decided,
  entryOf,
  familyIn,
  fold,
  granted,
  minute,
  minuteMs,
  revoked,
  type Told,
  used,
} from './history.ts'

const minutes = fc.integer({ min: 0, max: 20 })
const principals = fc.constantFrom(alice, bob)
const ids = fc.constantFrom('l-1', 'l-2')
const decisions = fc.constantFrom('d-1', 'd-2', 'd-3', 'd-4', undefined)
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const said = (members: Record<string, unknown>): JsonObject => JSON.parse(JSON.stringify(members)) as JsonObject

const grants = fc
  .tuple(
    minutes,
    ids,
    principals,
    fc.constantFrom('srv-1', 'srv-2'),
    some(fc.integer({ min: 0, max: 3 })),
    minutes,
    some(ids),
    some(fc.constant(true)),
  )
  .map(([at, lease_id, principal_hash, server_id, max_invocations, expiry, supersedes, amends]) =>
    granted(
      at,
      said({ lease_id, principal_hash, server_id, max_invocations, expires_at: minute(expiry), supersedes, amends }),
    ),
  )
const uses = fc
  .tuple(
    minutes,
    ids,
    decisions,
    some(principals),
    some(fc.constantFrom('write', 'delete')),
    fc.constantFrom('urn:g', 'urn:h'),
  )
  .map(([at, lease_id, decision, principal_hash, tool_name, source]) => ({
    ...used(at, decision, said({ lease_id, principal_hash, tool_name })),
    source,
  }))
const revocations = fc
  .tuple(minutes, ids, some(principals))
  .map(([at, lease_id, principal_hash]) => revoked(at, said({ lease_id, principal_hash })))
const citations = fc
  .tuple(minutes, ids, principals)
  .map(([at, lease_id, principal_hash]) => decided(at, 'd-1', said({ lease_id, principal: { principal_hash } })))

const histories = fc
  .array(fc.oneof({ weight: 3, arbitrary: grants }, { weight: 5, arbitrary: uses }, revocations, citations), {
    maxLength: 40,
  })
  .map(events => events.map((event, n) => entryOf(event, n + 1)))

/** A book over what another one holds, as JSON gives it back. */
function reread(book: LeaseBook): LeaseBook {
  const copy = new LeaseBook()
  for (const [id, family] of book.families) copy.families.set(id, JSON.parse(JSON.stringify(family)))
  for (const [seq, lease] of book.leases) copy.leases.set(seq, JSON.parse(JSON.stringify(lease)))
  for (const [id, noted] of book.noted) copy.noted.set(id, new Set(noted))
  return copy
}

/** The bytes that a store would hold. */
const bytesIn = ({ families, leases, noted }: LeaseBook) =>
  JSON.stringify([
    [...families].sort(([a], [b]) => (a < b ? -1 : 1)),
    [...leases].sort(([a], [b]) => a - b),
    [...noted].map(([id, decisions]) => [id, [...decisions].sort()]).sort(),
  ])

describe('the fold of leases', () => {
  it('of a beginning and then the rest is the fold of all, in memory and out of JSON, to the byte', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (entries, cut) => {
        const at = entries.length === 0 ? 0 : cut % entries.length
        const all = fold(entries)
        const stored = reread(fold(entries.slice(0, at)))
        assert.equal(bytesIn(fold(entries.slice(at), stored)), bytesIn(all))
        assert.equal(bytesIn(fold(entries.slice(at), fold(entries.slice(0, at)))), bytesIn(all))
        assert.equal(bytesIn(reread(all)), bytesIn(all))
      }),
    )
  })

  it('changes nothing that it was given', () => {
    fc.assert(
      fc.property(histories, entries => {
        const book = new LeaseBook()
        for (const fact of entries.flatMap(leaseFacts)) {
          const before = bytesIn(book)
          const change = JSON.stringify(evolve(book, fact))
          assert.equal(bytesIn(book), before)
          assert.equal(JSON.stringify(book.take(fact)), change)
        }
      }),
    )
  })

  it('knows what it knew: as of an earlier entry, a lease is what the fold up to there says', () => {
    fc.assert(
      fc.property(histories, fc.nat(), minutes, (entries, cut, n) => {
        const seq = cut % (entries.length + 1)
        const then = fold(entries.slice(0, seq))
        for (const [granted, lease] of fold(entries).leases) {
          const folded = then.leases.get(granted)
          assert.deepEqual(leaseAt(lease, minuteMs(n), { seqMax: seq }), folded && leaseAt(folded, minuteMs(n)))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('counts every decision of an emitter once, over all leases of an id', () => {
    fc.assert(
      fc.property(histories, entries => {
        const book = fold(entries)
        for (const id of book.families.keys()) {
          const family = familyIn(book, id)
          assert.ok(family)
          const facts = entries.flatMap(leaseFacts).filter(fact => fact.lease === id)
          const told = facts.filter(fact => fact.kind === 'used')
          const once = new Set(told.map(fact => JSON.stringify([fact.source, fact.decisionId ?? fact.seq])))
          const counted = family.leases.flatMap(lease => leaseAt(lease, minuteMs(1000))?.invocationCount ?? 0)
          const unknown = [...itemsOf(family.strays)].filter(mark => mark.code === 'use-of-unknown-lease')
          assert.equal(counted.reduce((a, b) => a + b, 0) + unknown.length, once.size)
        }
      }),
    )
  })
})

describe('the cost of the fold', () => {
  const uses = 100_000
  const folded = (count: number) => {
    const book = new LeaseBook()
    const first = leaseFacts(entryOf(granted(0, { max_invocations: 10 }), 1))
    for (const fact of first) book.take(fact)
    const began = performance.now()
    for (let n = 0; n < count; n++) {
      const about = { lease: 'l-1', seq: n + 2, atMs: minuteMs(1), claim: {}, source: 'urn:g' }
      book.take({ kind: 'used', ...about, decisionId: `evt-${(n * 7919) % count}` })
    }
    return { book, ms: performance.now() - began }
  }

  it(`of a use does not grow with the uses before: ${uses} are counted, each over the limit a violation`, () => {
    folded(uses / 10)
    const few = folded(uses / 10)
    const many = folded(uses)
    const lease = many.book.lease(1)
    assert.ok(lease)
    const standing = leaseAt(lease, minuteMs(2))
    assert.equal(standing?.invocationCount, uses)
    assert.equal(standing?.lease.violations.length, uses - 10)
    // Ten times the uses take ten times as long, or a little more; a hundred times would be quadratic.
    assert.ok(many.ms < few.ms * 50 + 500, `${few.ms} ms and ${many.ms} ms`)
  })
})

describe('reading leases out of entry bytes', () => {
  const hostile = [
    ['a text that ends like an entry', { reasons: ['","type":"aep.lease.used"},"intake":{"by":"'] }],
    [
      'arguments that look like an event',
      { args: { data: { lease_id: 'l-9' }, type: 'aep.lease.used', intake: { by: 'x' } } },
    ],
    [
      'arguments that look like a frame',
      { args: { intake: { by: 'x' }, recorded_at: '1999', seq: 1, type: 'aep.record' } },
    ],
    ['members of the names', { unmapped: { lease_id: 'l-9', scope_lease_id: 'l-9', type: 'aep.record', seq: 3 } }],
    ['escapes', { reasons: ['\\u', '\\\\u0061', '"lease_id":"l-9"', '\u0000\u001f'] }],
  ] as const
  for (const [what, data] of hostile) {
    for (const lease of [{}, { lease_id: 'l-1' }]) {
      it(`is not misled by ${what}${'lease_id' in lease ? ', where a lease is named too' : ''}`, () => {
        const entry = entryOf({ at: 1, type: 'aep.decision', data: { decision: 'deny', ...lease, ...data } }, 7)
        const facts = leaseFactsIn(bytesOf(entry.event, 7))
        assert.deepEqual(facts, leaseFacts(entry))
        assert.equal(facts.length, Object.keys(lease).length)
      })
    }
  }

  const records = [
    ['in plain letters', '{"actions":[{"action_id":"a","scope_lease_id":"l-1"}]}', 1],
    ['in escaped letters', '{"actions":[{"action_id":"a","\\u0073cope_lease_id":"l-1"}]}', 1],
    ['nowhere', '{"schema_version":"aep/v0.3","actions":[{"action_id":"a"}]}', 0],
    ['inside an envelope', envelopeOf('{"predicate":{"actions":[{"action_id":"a","scope_lease_id":"l-1"}]}}'), 1],
    [
      'inside an envelope, with a version told elsewhere',
      envelopeOf('{"predicate":{"actions":[{"action_id":"a","scope_lease_id":"l-1"}]}}', '"x":{"schema_version":1},'),
      1,
    ],
  ] as const
  for (const [where, record, count] of records) {
    it(`finds the lease that a record names ${where}`, () => {
      const entry = entryOf({ at: 1, type: 'aep.record', data: { record } }, 7)
      const facts = leaseFactsIn(bytesOf(entry.event, 7))
      assert.deepEqual(facts, leaseFacts(entry))
      assert.equal(facts.length, count)
    })
  }

  it('says what the whole entry says, for events of every type and for any history', () => {
    for (const [type, shapes] of Object.entries(fullData)) {
      if (type.startsWith('aep.ledger.')) continue
      for (const data of shapes) {
        const entry = entryOf({ at: 1, type, data } as unknown as Told, 7)
        assert.deepEqual(leaseFactsIn(bytesOf(entry.event, 7)), leaseFacts(entry), type)
      }
    }
    fc.assert(
      fc.property(histories, entries => {
        for (const entry of entries) {
          const bytes = bytesOf(entry.event, entry.seq)
          assert.deepEqual(leaseFactsIn(bytes), leaseFacts(readEntry(bytes)))
        }
      }),
    )
  })
})

function envelopeOf(statement: string, beside = ''): string {
  return `{${beside}"payloadType":"application/vnd.in-toto+json","payload":"${btoa(statement)}","signatures":[]}`
}
