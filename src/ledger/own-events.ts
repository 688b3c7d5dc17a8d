import { canonicalText } from '../aep/canonical.ts'
import type { EventOf, LedgerEvent, LedgerEventType } from '../aep/event/schema.ts'
import type { Json } from '../aep/json.ts'
import type { Intake } from './entry.ts'
import type { Placeable } from './seal.ts'

/**
 * What a ledger says about itself. Its events have the ledger's origin as `source` and an id made of what they say, so
 * that the same statement made twice is one event.
 */

export interface OwnKey {
  readonly keyId: string
  /** 64 lower-case hex digits. */
  readonly publicHex: string
}

/** Who asked for it, if anybody did: the id of a token. */
interface Asked {
  readonly by?: string
  readonly reason?: string
}

interface Spoken {
  /** `<installation origin>/<ledger>`: the name of the ledger's checkpoints. */
  readonly origin: string
  /** RFC 3339 UTC with milliseconds. */
  readonly at: string
}

/** What stands at seq 0. */
export const ledgerCreated = (
  it: Spoken & { ledger: string; key: OwnKey; by?: string },
): EventOf<'aep.ledger.created'> => ({
  ...head(it, 'aep.ledger.created', 'created'),
  data: { origin: it.origin, ledger: it.ledger, key: publicKey(it.key), ...said('by', it.by) },
})

/** Signed by `from`, the last entry that it signs; `key` signs what follows. */
export const keyRotated = (it: Spoken & Asked & { from: string; key: OwnKey }): EventOf<'aep.ledger.key.rotated'> => ({
  ...head(it, 'aep.ledger.key.rotated', `key-rotated-${it.from}-${it.key.keyId}-${it.at}`),
  data: { from: it.from, key: publicKey(it.key), ...asked(it) },
})

/** No entry after this one is valid under the key; none from `compromisedSinceSeq` on is to be believed. */
export const keyRevoked = (
  it: Spoken & Asked & { keyId: string; compromisedSinceSeq?: number },
): EventOf<'aep.ledger.key.revoked'> => ({
  ...head(it, 'aep.ledger.key.revoked', `key-revoked-${it.keyId}-${it.at}`),
  data: { key_id: it.keyId, ...said('compromised_since_seq', it.compromisedSinceSeq), ...asked(it) },
})

/** Registers an emitter's key, or gives a registered one other sources. */
export const emitterRegistered = (
  it: Spoken & { key: OwnKey; sources: readonly string[]; by?: string },
): EventOf<'aep.ledger.emitter.registered'> => ({
  ...head(it, 'aep.ledger.emitter.registered', `emitter-registered-${it.key.keyId}-${it.at}`),
  data: { key: publicKey(it.key), sources: [...it.sources], ...said('by', it.by) },
})

export const emitterRevoked = (it: Spoken & Asked & { keyId: string }): EventOf<'aep.ledger.emitter.revoked'> => ({
  ...head(it, 'aep.ledger.emitter.revoked', `emitter-revoked-${it.keyId}-${it.at}`),
  data: { key_id: it.keyId, ...asked(it) },
})

/** An event identity that came again with other content: digests only, for the content may be hostile. */
export const conflictSeen = (
  it: Spoken & {
    identity: { source: string; id: string }
    firstSeq: number
    refusedSha256: string
    by?: string
    suppressed?: number
  },
): EventOf<'aep.ledger.conflict'> => ({
  ...head(it, 'aep.ledger.conflict', `conflict-${it.firstSeq}-${it.refusedSha256}`),
  data: {
    source: it.identity.source,
    id: it.identity.id,
    first_seq: it.firstSeq,
    refused_sha256: it.refusedSha256,
    ...said('by', it.by),
    ...said('suppressed', it.suppressed),
  },
})

/** Intake of an event that the ledger itself wrote. */
export const ownIntake: Intake = { by: 'ledger', emitter_sig: 'absent', record_sig: 'not_a_record' }

/** An event of the ledger's own, ready to be sealed: it does not pass the door that emitters come through. */
export const placeOwn = (event: LedgerEvent): Placeable & { readonly source: string; readonly id: string } => ({
  source: event.source,
  id: event.id,
  canonical: canonicalText(event as Json),
  intake: ownIntake,
  takenAt: event.time ?? '',
})

const head = <Type extends LedgerEventType>({ origin, at }: Spoken, type: Type, id: string) =>
  ({ specversion: '1.0', id, source: origin, type, time: at }) as const

const publicKey = ({ keyId, publicHex }: OwnKey) => ({ key_id: keyId, alg: 'ed25519', public_hex: publicHex }) as const

const asked = ({ by, reason }: Asked) => ({ ...said('by', by), ...said('reason', reason) })

/** The member, where there is something to say. */
const said = <Name extends string, Value>(name: Name, value: Value | undefined): { [N in Name]?: Value } =>
  (value === undefined ? {} : { [name]: value }) as { [N in Name]?: Value }
