import type { TrustedKey } from '../aep/keyring.ts'
import { momentMs } from '../aep/time.ts'
import { fromHex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Entry } from '../ledger/decode.ts'
import type { EntryFrame } from '../ledger/entry.ts'
import { keyIdOf } from '../ledger/signature.ts'
import { evolveKeys, type KeyHistory, keyAt, keyFault, noKeys } from '../projections/keys.ts'
import type { Remark } from './findings.ts'

/** Under which key an entry is to be checked, and what is to be said of that key. */
export interface KeyChoice {
  /** Absent: there is no key to check it under. */
  readonly key?: Uint8Array
  readonly remark?: Remark
}

/**
 * The ledger's keys as far as they are to be believed: pinned beforehand, or introduced by an entry whose signature holds
 * under a key that was. With nothing pinned, the key that the ledger names itself is used, and nothing is believed for it.
 */
export interface LedgerKeys {
  /** The key for the entry that takes place `seq`. Cost: a lookup. */
  choose(frame: EntryFrame, seq: number): KeyChoice
  /** With nothing pinned: takes the key that the first entry names, to check at least that all is of one piece. */
  takeNamed(entry: Entry): void
  /** Folds an entry that is to be believed, at its place; says what is wrong with it. */
  fold(entry: Entry, seq: number): readonly Remark[]
}

interface State {
  readonly suite: Suite
  readonly pinned: ReadonlyMap<string, readonly TrustedKey[]>
  readonly vouchedTo: number
  /** What entries say of who signs when. Without a turn in it, the pinned keys are all there is to go by. */
  history: KeyHistory
  /** Every key that entries introduced, by id. */
  readonly known: Map<string, Uint8Array>
}

/** `vouchedTo` is the last place that a pinned head or checkpoint vouches for, whoever signed it; -1 for none. */
export function ledgerKeys(suite: Suite, pinned: readonly TrustedKey[], vouchedTo: number): LedgerKeys {
  const byId = Map.groupBy(pinned, key => key.keyId)
  const state: State = { suite, pinned: byId, vouchedTo, history: noKeys, known: new Map() }
  return {
    choose: (frame, seq) => choose(state, frame, seq),
    takeNamed: ({ event }) => {
      if (state.pinned.size === 0 && event.type === 'aep.ledger.created') know(state, event.data.key)
    },
    fold: (entry, seq) => fold(state, entry, seq),
  }
}

function choose({ pinned, known, history }: State, frame: EntryFrame, seq: number): KeyChoice {
  const pin = pinned.get(frame.key_id)?.[0]
  const key = pin?.publicKey ?? known.get(frame.key_id)
  const turn = keyAt(history, seq)
  const begun = history.turns.length > 0
  if (key === undefined) {
    if (!begun && pinned.size === 0) return {}
    const cause = 'The entry names a key that is not pinned and that no trusted entry introduced.'
    const expected = turn?.keyId ?? [...pinned.keys()].slice(0, 3).join(' or ')
    return { remark: { code: 'key-unknown', cause, expected, found: frame.key_id } }
  }
  if (!begun || turn?.keyId === frame.key_id) return { key, ...outside(pin, frame) }
  const cause = `The entries before say that another key signs seq ${seq}.`
  return { key, remark: { code: 'key-not-valid', cause, expected: turn?.keyId ?? 'no key', found: frame.key_id } }
}

/** What a pinned key's window of time says to the moment of recording. */
function outside(pin: TrustedKey | undefined, frame: EntryFrame): { remark?: Remark } {
  if (pin?.notBeforeMs === undefined && pin?.notAfterMs === undefined) return {}
  const { notBeforeMs = Number.NEGATIVE_INFINITY, notAfterMs = Number.POSITIVE_INFINITY } = pin
  const atMs = momentMs(frame.recorded_at) ?? Number.NaN
  if (atMs >= notBeforeMs && atMs <= notAfterMs) return {}
  const cause = 'The key was pinned for another time.'
  const expected = `recorded from ${iso(notBeforeMs)} to ${iso(notAfterMs)}`
  return { remark: { code: 'key-not-valid', cause, expected, found: frame.recorded_at } }
}

const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'ever')

function fold(state: State, entry: Entry, seq: number): readonly Remark[] {
  const { event } = entry
  const remarks: Remark[] = seq === 0 ? genesisRemarks(entry) : []
  if (seq > 0 && event.type === 'aep.ledger.created') {
    return [{ code: 'created-again', cause: 'The ledger was created at seq 0 already.', found: `seq ${seq}` }]
  }
  if (event.type === 'aep.ledger.created' || event.type === 'aep.ledger.key.added') {
    remarks.push(...know(state, event.data.key))
  } else if (event.type === 'aep.ledger.key.rotated') remarks.push(...know(state, event.data.key))
  // Where the history begins late, its first entries being lost, there is nothing that a change could contradict.
  const fault =
    seq > 0 && state.history.turns.length === 0 ? undefined : keyFault(state.history, { event, seq: entry.seq })
  if (fault !== undefined)
    remarks.push({ code: 'key-entry-invalid', cause: `The key history says otherwise: ${fault}.` })
  if (remarks.length === 0) state.history = evolveKeys(state.history, entry)
  if (event.type === 'aep.ledger.key.revoked') remarks.push(...compromised(state, event.data, seq))
  return remarks
}

function genesisRemarks({ event, ledger, key_id }: Entry): Remark[] {
  const wrong = (cause: string, expected: string, found: string): Remark => ({
    code: 'genesis-wrong',
    cause,
    expected,
    found,
  })
  if (event.type !== 'aep.ledger.created') {
    return [wrong('The first entry is not the creation of a ledger.', 'aep.ledger.created', event.type)]
  }
  const { key, ledger: named } = event.data
  const remarks: Remark[] = []
  if (named !== ledger) remarks.push(wrong('The ledger was created under another name.', ledger, named))
  if (key.key_id !== key_id) {
    remarks.push(wrong('The first entry is signed by another key than it names.', key.key_id, key_id))
  }
  return remarks
}

/** Makes a key known under its id, if that is its id. */
function know(state: State, named: { readonly key_id: string; readonly public_hex: string }): readonly Remark[] {
  const key = fromHex(named.public_hex) ?? new Uint8Array(32)
  const id = keyIdOf(state.suite, key)
  if (id === named.key_id) {
    state.known.set(id, key)
    return []
  }
  const cause = 'The key’s id is not the digest of the key.'
  return [{ code: 'key-entry-invalid', cause, expected: id, found: named.key_id }]
}

/** Entries that a stolen key may have signed before its revocation, unless a pinned head vouches for them. */
function compromised(
  { vouchedTo }: State,
  { key_id: keyId, compromised_since_seq: since }: { readonly key_id: string; readonly compromised_since_seq?: number },
  seq: number,
): readonly Remark[] {
  if (since === undefined || since >= seq || vouchedTo >= seq - 1) return []
  const cause = `Entries ${since} to ${seq - 1} under key ${keyId} may have been signed by whoever stole it.`
  return [{ code: 'key-compromised', cause, found: `seq ${since} to ${seq - 1}` }]
}
