import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LedgerEvent } from '../../src/aep/event/schema.ts'
import { emitterSigningInput, emitterSigVerdict } from '../../src/aep/event/signature.ts'
import { base64, hex } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import type { Seq } from '../../src/ledger/entry.ts'
import { emitterRegistered, emitterRevoked } from '../../src/ledger/own-events.ts'
import {
  type EmitterHistory,
  emitterKeysAt,
  emittersAt,
  evolveEmitters,
  noEmitters,
} from '../../src/projections/emitters.ts'
import { alice, bob } from '../support/aep.ts'
import { smallestDecision } from '../vectors/events.ts'

const spoken = { origin: 'o/l', at: '2026-01-01T00:00:00.000Z' }
const registered = (key: typeof alice, ...sources: string[]) =>
  emitterRegistered({ ...spoken, key: { keyId: key.keyId, publicHex: hex(key.publicKey) }, sources })
const revoked = (keyId: string) => emitterRevoked({ ...spoken, keyId })

const after = (...happened: readonly (readonly [number, LedgerEvent])[]): EmitterHistory =>
  happened.reduce((history, [seq, event]) => evolveEmitters(history, { seq: seq as Seq, event }), noEmitters)
const known = (history: EmitterHistory, seq: number) =>
  emittersAt(history, seq).map(({ keyId, sources }) => [keyId, ...sources])

describe('a registered emitter', () => {
  it('is known from the entry after its registration to that of its revocation', () => {
    const history = after([3, registered(alice)], [4, registered(bob, 'urn:b:')], [7, revoked('alice')])
    assert.deepEqual(
      [3, 4, 5, 7, 8].map(seq => known(history, seq)),
      [[], [['alice']], [['alice'], ['bob', 'urn:b:']], [['alice'], ['bob', 'urn:b:']], [['bob', 'urn:b:']]],
    )
  })

  it('gets other sources by registering again', () => {
    const history = after([3, registered(alice, 'urn:a:')], [5, registered(alice, 'urn:x:', 'urn:y:')])
    assert.deepEqual(
      [4, 5, 6].map(seq => known(history, seq)),
      [[['alice', 'urn:a:']], [['alice', 'urn:a:']], [['alice', 'urn:x:', 'urn:y:']]],
    )
  })

  it('that is revoked may be registered again; a stranger can be revoked without harm', () => {
    const history = after([3, registered(alice)], [4, revoked('alice')], [5, revoked('carol')], [6, registered(alice)])
    assert.deepEqual(
      [4, 5, 7].map(seq => known(history, seq)),
      [[['alice']], [], [['alice']]],
    )
  })

  it('has its signatures recognised, for its own sources, at the seqs at which it is known', () => {
    const event = { ...smallestDecision, emitterkeyid: 'alice' }
    const signed = { ...event, emittersig: base64(nodeSuite.sign(alice.seed, emitterSigningInput(event))) }
    const verdict = (history: EmitterHistory, seq: number) =>
      emitterSigVerdict(signed, emitterKeysAt(history, seq), nodeSuite)
    const history = after([3, registered(alice, 'urn:g')], [7, revoked('alice')])
    assert.deepEqual(
      [3, 4, 7, 8].map(seq => verdict(history, seq)),
      ['key_unknown', 'valid', 'valid', 'key_unknown'],
    )
    assert.equal(verdict(after([3, registered(alice, 'urn:other:')]), 4), 'key_unknown')
    assert.equal(verdict(after([3, registered({ ...bob, keyId: 'alice' })]), 4), 'invalid')
  })
})
