import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { acceptEvent } from '../../src/aep/event/accept.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import type { Seq, StoredEntry } from '../../src/ledger/entry.ts'
import { memoryViews } from '../../src/log/memory-views.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { StateView } from '../../src/service/state-view.ts'
import { alice, bytesOf, minuteMs } from '../projections/history.ts'

const ledger = 'acme/prod'

const stored = (type: string, data: JsonObject, seq: number): StoredEntry => {
  const event: JsonObject = { specversion: '1.0', id: `e-${seq}`, source: 'urn:g', type, data }
  const accepted = acceptEvent(event as Json)
  assert.ok(accepted.ok, JSON.stringify(accepted))
  return { seq: seq as Seq, bytes: bytesOf(accepted.event, seq), signature: new Uint8Array(64) }
}

const record = (lease: string, id = 'a'): JsonObject => ({
  record: JSON.stringify({ actions: [{ action_id: id, scope_lease_id: lease }] }),
})

/** Texts as records may hold them: any length, any character, and surrogates that stand alone. */
const odd = fc.string({ unit: 'binary', maxLength: 4 })
const texts = fc
  .tuple(odd, fc.constantFrom(0, 1, 256, 257, 1365, 3996, 4000, 9000), fc.constantFrom('x', 'é', '\u0000', '\ud800'))
  .map(([begin, count, unit]) => begin + unit.repeat(count))
const names = texts.map(text => text.toWellFormed().slice(0, 1000).toWellFormed() || 'x')

const events = fc.oneof(
  fc.tuple(texts, texts).map(([lease, id]) => ['aep.record', record(lease, id)] as const),
  fc.tuple(names, names).map(([lease_id, name]) => {
    const terms = { principal_hash: alice, server_id: name, granted_tools: [name], expires_at: name }
    return ['aep.lease.granted', { lease_id, ...terms }] as const
  }),
  names.map(lease_id => ['aep.lease.revoked', { lease_id }] as const),
  fc
    .tuple(names, names)
    .map(([lease_id, decision_event_id]) => ['aep.lease.used', { lease_id, decision_event_id }] as const),
)

describe('the state view', () => {
  it('takes whatever ingest takes, and can be asked for it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(events, { minLength: 1, maxLength: 8 }), names, async (told, asked) => {
        const store = memoryViews()
        const view = await StateView.open(store)
        for (const [n, [type, data]] of told.entries()) await view.take(ledger, [stored(type, data, n)])
        assert.equal(store.position(stateView, ledger), told.length - 1)
        view.leases.list(ledger, { lease: asked }, minuteMs(0), 100)
        view.leases.list(ledger, { principal: asked }, minuteMs(0), 100)
      }),
    )
  })

  it('tells long ids of leases apart', async () => {
    const store = memoryViews()
    const view = await StateView.open(store)
    const long = 'x'.repeat(1000)
    const terms = { principal_hash: alice, server_id: 's', granted_tools: [], expires_at: 'never' }
    for (const [n, end] of ['a', 'b'].entries()) {
      await view.take(ledger, [stored('aep.lease.granted', { lease_id: long + end, ...terms }, n)])
    }
    for (const [n, end] of ['a', 'b'].entries()) {
      const { items } = view.leases.list(ledger, { lease: long + end }, minuteMs(0), 100, -1, true)
      assert.deepEqual(
        items.map(({ lease }) => [lease.leaseId, lease.grantedSeq]),
        [[long + end, n]],
      )
    }
  })
})
