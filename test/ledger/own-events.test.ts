import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acceptEvent, checkEvent } from '../../src/aep/event/accept.ts'
import type { LedgerEvent } from '../../src/aep/event/schema.ts'
import type { Json } from '../../src/aep/json.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { decodeEntry } from '../../src/ledger/decode.ts'
import {
  conflictSeen,
  emitterRegistered,
  emitterRevoked,
  keyRevoked,
  keyRotated,
  ledgerCreated,
  placeOwn,
} from '../../src/ledger/own-events.ts'
import { emptyHead, seal } from '../../src/ledger/seal.ts'

const spoken = { origin: 'example.org/acme/prod', at: '2026-01-01T00:00:00.000Z' }
const key = { keyId: '0123456789abcdef'.repeat(2), publicHex: '0123456789abcdef'.repeat(4) }
const refusedSha256 = 'f'.repeat(64)

const events: readonly LedgerEvent[] = [
  ledgerCreated({ ...spoken, ledger: 'acme/prod', key }),
  ledgerCreated({ ...spoken, ledger: 'acme/prod', key, by: 'admin' }),
  keyRotated({ ...spoken, from: 'old', key, by: 'admin', reason: 'monthly' }),
  keyRevoked({ ...spoken, keyId: 'old', compromisedSinceSeq: 0 }),
  emitterRegistered({ ...spoken, key, sources: ['urn:g:'], by: 'admin' }),
  emitterRevoked({ ...spoken, keyId: 'gateway' }),
  conflictSeen({ ...spoken, identity: { source: 'urn:g', id: 'é' }, firstSeq: 3, refusedSha256 }),
  conflictSeen({
    ...spoken,
    identity: { source: 'urn:g', id: '1' },
    firstSeq: 4,
    refusedSha256,
    by: 't',
    suppressed: 2,
  }),
]

describe('what a ledger says of itself', () => {
  it('fits its schemas, and would be refused from anybody else', () => {
    for (const event of events) {
      assert.deepEqual(checkEvent(event as Json), { ok: true, event })
      assert.equal(acceptEvent(event as Json).ok, false)
    }
  })

  it('is spoken under the origin of the ledger, by the ledger itself', () => {
    for (const event of events) {
      assert.equal(event.source, spoken.origin)
      const placed = placeOwn(event)
      assert.deepEqual(placed.intake, { by: 'ledger', emitter_sig: 'absent', record_sig: 'not_a_record' })
      assert.deepEqual([placed.takenAt, placed.id], [spoken.at, event.id])
    }
  })

  it('has the same id when it is said again, and another when it says something else', () => {
    const conflict = { identity: { source: 'urn:g', id: '1' }, firstSeq: 4, refusedSha256 }
    const again = conflictSeen({ ...spoken, at: '2026-01-02T00:00:00.000Z', ...conflict })
    assert.equal(again.id, conflictSeen({ ...spoken, ...conflict }).id)
    const ids = events.slice(1).map(event => event.id)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('seals into entries that are read back', () => {
    const [first = placeOwn(events[0] as LedgerEvent), ...others] = events.map(placeOwn)
    const { entries } = seal(nodeSuite, emptyHead, { ledger: 'acme/prod', keyId: key.keyId }, [first, ...others])
    for (const [n, { bytes }] of entries.entries()) {
      const decoding = decodeEntry(bytes)
      assert.ok(decoding.ok, JSON.stringify(decoding))
      assert.deepEqual(decoding.entry.event, events[n])
    }
  })
})
