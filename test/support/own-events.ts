import type { EventOf } from '../../src/aep/event/schema.ts'

/** A key that will sign later, announced under one that is trusted: read by every part, and written by none of them yet. */
export const keyAdded = (it: {
  readonly origin: string
  readonly at: string
  readonly key: { readonly keyId: string; readonly publicHex: string }
}): EventOf<'aep.ledger.key.added'> => ({
  specversion: '1.0',
  id: `key-added-${it.key.keyId}`,
  source: it.origin,
  type: 'aep.ledger.key.added',
  time: it.at,
  data: { key: { key_id: it.key.keyId, alg: 'ed25519', public_hex: it.key.publicHex } },
})
