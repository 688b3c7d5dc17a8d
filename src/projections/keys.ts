import type { Entry } from '../ledger/decode.ts'

/** A key's turn at signing a ledger: seqs from `fromSeq` to `toSeq`, both inclusive. */
export interface KeyTurn {
  readonly keyId: string
  /** 64 lower-case hex digits. */
  readonly publicHex: string
  readonly fromSeq: number
  /** Absent while the turn lasts. */
  readonly toSeq?: number
}

/** What the entries of a ledger say about its own keys: which signs when, which are announced, which are revoked. */
export interface KeyHistory {
  /** By `fromSeq`, without overlap: at any seq at most one key signs. */
  readonly turns: readonly KeyTurn[]
  /** Keys that were named beforehand, and may take a later turn. */
  readonly announced: readonly { readonly keyId: string; readonly publicHex: string; readonly seq: number }[]
  readonly revoked: readonly KeyRevocation[]
}

export interface KeyRevocation {
  readonly keyId: string
  /** The entry that says so. */
  readonly seq: number
  /** First seq at which somebody else may have signed with the key: from there on it proves nothing by itself. */
  readonly sinceSeq: number
}

/** The little of an entry that this fold reads. */
export type KeyEntry = Pick<Entry, 'seq' | 'event'>

export const noKeys: KeyHistory = { turns: [], announced: [], revoked: [] }

/** The key that may sign the entry at `seq`, as the entries folded so far say; `undefined` where none may. */
export function keyAt({ turns }: KeyHistory, seq: number): KeyTurn | undefined {
  const turn = turns.findLast(({ fromSeq }) => fromSeq <= seq)
  return turn !== undefined && seq <= (turn.toSeq ?? seq) ? turn : undefined
}

/**
 * The history after one more entry, in order. A change that does not follow from the history (`keyFault` says why) has no
 * effect, so that nobody signs by it. Only `aep.ledger.*` events matter, and only the ledger can have written those.
 */
export function evolveKeys(history: KeyHistory, entry: KeyEntry): KeyHistory {
  const { event, seq } = entry
  if (!event.type.startsWith('aep.ledger.') || keyFault(history, entry) !== undefined) return history
  switch (event.type) {
    case 'aep.ledger.created':
      return { ...history, turns: [turnOf(event.data.key, seq)] }
    case 'aep.ledger.key.added': {
      const { key_id: keyId, public_hex: publicHex } = event.data.key
      return { ...history, announced: [...history.announced, { keyId, publicHex, seq }] }
    }
    case 'aep.ledger.key.rotated':
      return { ...history, turns: [...closed(history.turns, seq), turnOf(event.data.key, seq + 1)] }
    case 'aep.ledger.key.revoked': {
      const { key_id: keyId, compromised_since_seq: sinceSeq = seq } = event.data
      const signs = keyAt(history, seq)?.keyId === keyId
      // Revoking the key that signs leaves nobody to sign: whoever wants the ledger to go on rotates first.
      const turns = signs ? closed(history.turns, seq) : history.turns
      return { ...history, turns, revoked: [...history.revoked, { keyId, seq, sinceSeq }] }
    }
    default:
      return history
  }
}

/** Why what an entry says about keys does not follow from the history before it; `undefined` where it does. */
export function keyFault(history: KeyHistory, { event, seq }: KeyEntry): string | undefined {
  switch (event.type) {
    case 'aep.ledger.created':
      return history.turns.length > 0 ? 'the ledger has been created already' : undefined
    case 'aep.ledger.key.added':
      return usable(history, event.data.key)
    case 'aep.ledger.key.rotated': {
      const now = keyAt(history, seq)
      if (now?.keyId !== event.data.from)
        return `the key that signs here is ${now?.keyId ?? 'none'}, not ${event.data.from}`
      if (now.keyId === event.data.key.key_id) return 'the key is to follow itself'
      return usable(history, event.data.key)
    }
    case 'aep.ledger.key.revoked': {
      const { key_id: keyId, compromised_since_seq: sinceSeq = seq } = event.data
      // A key may be revoked again when it turns out to have been stolen earlier than was known.
      if (history.revoked.some(one => one.keyId === keyId && one.sinceSeq <= sinceSeq)) {
        return `key ${keyId} is revoked since then already`
      }
      return publicHexOf(history, keyId) === undefined ? `nothing is known of a key ${keyId}` : undefined
    }
    default:
      return undefined
  }
}

/** Why a key can't be announced or take over. */
function usable(
  history: KeyHistory,
  key: { readonly key_id: string; readonly public_hex: string },
): string | undefined {
  if (isRevoked(history, key.key_id)) return `key ${key.key_id} was revoked`
  const known = publicHexOf(history, key.key_id)
  return known === undefined || known === key.public_hex ? undefined : `key id ${key.key_id} stands for another key`
}

const isRevoked = ({ revoked }: KeyHistory, keyId: string): boolean => revoked.some(one => one.keyId === keyId)

const publicHexOf = ({ turns, announced }: KeyHistory, keyId: string): string | undefined =>
  [...turns, ...announced].find(one => one.keyId === keyId)?.publicHex

const turnOf = (key: { readonly key_id: string; readonly public_hex: string }, fromSeq: number): KeyTurn => ({
  keyId: key.key_id,
  publicHex: key.public_hex,
  fromSeq,
})

/** The turns with the last one ending at `seq`. */
function closed(turns: readonly KeyTurn[], seq: number): readonly KeyTurn[] {
  const last = turns.at(-1)
  return last === undefined ? turns : [...turns.slice(0, -1), { ...last, toSeq: seq }]
}
