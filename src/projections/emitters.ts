import { type KeyRing, keyRing } from '../aep/keyring.ts'
import { fromHex } from '../base/bytes.ts'
import type { Entry } from '../ledger/decode.ts'

/** An emitter's key, and the seqs whose events it may have signed: from `fromSeq` to `toSeq`, both inclusive. */
export interface EmitterTerm {
  readonly keyId: string
  /** 64 lower-case hex digits. */
  readonly publicHex: string
  /** CloudEvents `source` prefixes that it signs for; empty: any. */
  readonly sources: readonly string[]
  readonly fromSeq: number
  /** Absent while it is registered. */
  readonly toSeq?: number
}

/** Every emitter's key that a ledger ever registered, in that order. */
export interface EmitterHistory {
  readonly terms: readonly EmitterTerm[]
}

export const noEmitters: EmitterHistory = { terms: [] }

/**
 * The history after one more entry, in order. Registering a key again gives it other sources (or another key, for an
 * emitter's key id is its own choice) from the next entry on. Revoking one that is not registered changes nothing.
 */
export function evolveEmitters(history: EmitterHistory, { event, seq }: Pick<Entry, 'seq' | 'event'>): EmitterHistory {
  switch (event.type) {
    case 'aep.ledger.emitter.registered': {
      const { key, sources } = event.data
      const term = { keyId: key.key_id, publicHex: key.public_hex, sources, fromSeq: seq + 1 }
      return { terms: [...ended(history, key.key_id, seq), term] }
    }
    case 'aep.ledger.emitter.revoked':
      return { terms: ended(history, event.data.key_id, seq) }
    default:
      return history
  }
}

/** The terms that hold at `seq`. */
export const emittersAt = ({ terms }: EmitterHistory, seq: number): readonly EmitterTerm[] =>
  terms.filter(({ fromSeq, toSeq = seq }) => fromSeq <= seq && seq <= toSeq)

/** The same as keys to check signatures with. */
export const emitterKeysAt = (history: EmitterHistory, seq: number): KeyRing =>
  keyRing(
    emittersAt(history, seq).map(({ keyId, publicHex, sources }) => ({
      keyId,
      publicKey: fromHex(publicHex) ?? new Uint8Array(),
      sources,
    })),
  )

const ended = ({ terms }: EmitterHistory, keyId: string, seq: number): readonly EmitterTerm[] =>
  terms.map(term => (term.keyId === keyId && term.toSeq === undefined ? { ...term, toSeq: seq } : term))
