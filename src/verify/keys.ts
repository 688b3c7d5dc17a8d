import type { EventOf } from '../aep/event/schema.ts'
import type { TrustedKey } from '../aep/keyring.ts'
import { momentMs } from '../aep/time.ts'
import { fromHex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Entry } from '../ledger/decode.ts'
import { keyIdOf } from '../ledger/signature.ts'
import type { Remark } from './findings.ts'
import type { Frame } from './frame.ts'

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
  choose(frame: Frame, seq: number): KeyChoice
  /** With nothing pinned: takes the key that the first entry names, to check at least that all is of one piece. */
  takeNamed(entry: Entry): void
  /** Folds an entry that is to be believed, at its place; says what is wrong with it. */
  fold(entry: Entry, seq: number): readonly Remark[]
}

interface Current {
  readonly keyId: string
  readonly key: Uint8Array
}

interface State {
  readonly suite: Suite
  readonly pinned: ReadonlyMap<string, readonly TrustedKey[]>
  readonly vouchedTo: number
  /** The key that signs next, as entries say; absent before the first entry and after its revocation. */
  current: Current | undefined
  /** Every key that entries introduced. */
  readonly known: Map<string, Uint8Array>
  /** Whether entries said which key signs; until then the pinned keys are all there is to go by. */
  begun: boolean
}

/** `vouchedTo` is the last place that a pinned head or checkpoint vouches for, whoever signed it; -1 for none. */
export function ledgerKeys(suite: Suite, pinned: readonly TrustedKey[], vouchedTo: number): LedgerKeys {
  const byId = Map.groupBy(pinned, key => key.keyId)
  const state: State = { suite, pinned: byId, vouchedTo, current: undefined, known: new Map(), begun: false }
  return {
    choose: (frame, seq) => choose(state, frame, seq),
    takeNamed: ({ event }) => {
      if (state.pinned.size === 0 && event.type === 'aep.ledger.created') introduce(state, event.data.key)
    },
    fold: (entry, seq) => [...foldEntry(state, entry, seq)],
  }
}

function choose(state: State, frame: Frame, seq: number): KeyChoice {
  const { current, pinned, known } = state
  const pin = pinned.get(frame.keyId)?.[0]
  if (current?.keyId === frame.keyId) return { key: current.key, ...outside(pin, frame) }
  const key = pin?.publicKey ?? known.get(frame.keyId)
  if (key === undefined) {
    if (!state.begun && pinned.size === 0) return {}
    const cause = 'The entry names a key that is not pinned and that no trusted entry introduced.'
    return { remark: { code: 'key-unknown', cause, expected: current?.keyId ?? pinnedIds(state), found: frame.keyId } }
  }
  if (!state.begun) return { key, ...outside(pin, frame) }
  const cause = `The entries before say that another key signs seq ${seq}.`
  return { key, remark: { code: 'key-not-valid', cause, expected: current?.keyId ?? 'no key', found: frame.keyId } }
}

const pinnedIds = ({ pinned }: State): string => [...pinned.keys()].slice(0, 3).join(' or ')

/** What a pinned key's window of time says to the moment of recording. */
function outside(pin: TrustedKey | undefined, frame: Frame): { remark?: Remark } {
  if (pin?.notBeforeMs === undefined && pin?.notAfterMs === undefined) return {}
  const { notBeforeMs = Number.NEGATIVE_INFINITY, notAfterMs = Number.POSITIVE_INFINITY } = pin
  const atMs = momentMs(frame.recordedAt) ?? Number.NaN
  if (atMs >= notBeforeMs && atMs <= notAfterMs) return {}
  const cause = 'The key was pinned for another time.'
  const expected = `recorded from ${iso(notBeforeMs)} to ${iso(notAfterMs)}`
  return { remark: { code: 'key-not-valid', cause, expected, found: frame.recordedAt } }
}

const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'ever')

function foldEntry(state: State, { event, ...frame }: Entry, seq: number): readonly Remark[] {
  if (seq === 0) return begin(state, { event, ...frame })
  switch (event.type) {
    case 'aep.ledger.created':
      return [{ code: 'created-again', cause: 'The ledger was created at seq 0 already.', found: `seq ${seq}` }]
    case 'aep.ledger.key.added':
      return introduce(state, event.data.key)
    case 'aep.ledger.key.rotated':
      return rotate(state, event.data)
    case 'aep.ledger.key.revoked':
      return revoke(state, event.data, seq)
    default:
      return []
  }
}

function begin(state: State, { event, ledger, key_id }: Entry): readonly Remark[] {
  state.begun = true
  const wrong = (cause: string, expected: string, found: string): Remark => ({
    code: 'genesis-wrong',
    cause,
    expected,
    found,
  })
  if (event.type !== 'aep.ledger.created') {
    const key = state.pinned.get(key_id)?.[0]?.publicKey
    if (key !== undefined) state.current = { keyId: key_id, key }
    return [wrong('The first entry is not the creation of a ledger.', 'aep.ledger.created', event.type)]
  }
  const { key, ledger: named } = event.data
  const remarks = [...introduce(state, key)]
  if (named !== ledger) remarks.push(wrong('The ledger was created under another name.', ledger, named))
  if (key.key_id !== key_id)
    remarks.push(wrong('The first entry is signed by another key than it names.', key.key_id, key_id))
  setCurrent(state, key.key_id)
  return remarks
}

type NamedKey = EventOf<'aep.ledger.key.added'>['data']['key']

/** Makes a key known under its id, if it is its id; a pinned key of the id stands. */
function introduce(state: State, { key_id: keyId, public_hex: publicHex }: NamedKey): readonly Remark[] {
  const key = fromHex(publicHex) ?? new Uint8Array(32)
  const id = keyIdOf(state.suite, key)
  if (id === keyId) {
    state.known.set(keyId, state.pinned.get(keyId)?.[0]?.publicKey ?? key)
    return []
  }
  return [
    { code: 'key-entry-invalid', cause: 'The key’s id is not the digest of the key.', expected: id, found: keyId },
  ]
}

function setCurrent(state: State, keyId: string): void {
  const key = state.known.get(keyId)
  if (key !== undefined) state.current = { keyId, key }
}

function rotate(state: State, { from, key }: EventOf<'aep.ledger.key.rotated'>['data']): readonly Remark[] {
  const remarks = [...introduce(state, key)]
  if (state.begun && from !== state.current?.keyId) {
    const expected = state.current?.keyId ?? 'no key'
    remarks.push({
      code: 'key-entry-invalid',
      cause: 'The rotation is from a key that does not sign.',
      expected,
      found: from,
    })
  }
  state.begun = true
  setCurrent(state, key.key_id)
  return remarks
}

function revoke(state: State, data: EventOf<'aep.ledger.key.revoked'>['data'], seq: number): readonly Remark[] {
  const { key_id: keyId, compromised_since_seq: since } = data
  if (state.begun && !state.known.has(keyId)) {
    return [{ code: 'key-entry-invalid', cause: 'The revoked key is none of this ledger.', found: keyId }]
  }
  if (state.current?.keyId === keyId) state.current = undefined
  if (since === undefined || since >= seq || state.vouchedTo >= seq - 1) return []
  const cause = `Entries ${since} to ${seq - 1} under key ${keyId} may have been signed by whoever stole it.`
  return [{ code: 'key-compromised', cause, found: `seq ${since} to ${seq - 1}` }]
}
