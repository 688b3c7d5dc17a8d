import { textOf, utf8 } from '../base/bytes.ts'
import { readEntry } from '../ledger/decode.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { isEventOf } from '../ledger/frame-place.ts'
import { type EmitterHistory, evolveEmitters, noEmitters } from '../projections/emitters.ts'
import { evolveKeys, type KeyHistory, noKeys } from '../projections/keys.ts'
import type { ViewChange, ViewStore } from '../projections/store.ts'
import { row, stateView } from './state-rows.ts'

/** What a ledger's entries say of its signing keys and of the emitters it knows. */
export interface Registered {
  readonly keys: KeyHistory
  readonly emitters: EmitterHistory
}

export const nothingRegistered: Registered = { keys: noKeys, emitters: noEmitters }

/** One row a ledger: both histories, as JSON. */
const registryKey = 'r/registry'

const ownTypes = [utf8('aep.ledger.')]

/** The histories after more entries, in order; the same object when none of them speaks of keys or emitters. */
export function evolveRegistered(before: Registered, entries: readonly StoredEntry[]): Registered {
  let after = before
  for (const { bytes } of entries) {
    if (!isEventOf(bytes, ownTypes)) continue
    const entry = readEntry(bytes)
    const keys = evolveKeys(after.keys, entry)
    const emitters = evolveEmitters(after.emitters, entry)
    if (keys !== after.keys || emitters !== after.emitters) after = { keys, emitters }
  }
  return after
}

/** The row as of the view's position. */
export function registeredRow(store: ViewStore, ledger: string, view = stateView): Registered {
  const value = store.get(view, ledger, registryKey)
  return value === undefined ? nothingRegistered : (JSON.parse(textOf(value) ?? '') as Registered)
}

/**
 * The view of a process's own registry, where the state view is filled by others: whose signature counts is nothing that
 * another process may say.
 */
export const ownRegistryView = 'registry'
export const ownRegistryVersion = 1

export const registryRow = (registered: Registered): ViewChange => row(registryKey, registered)

/** What entries that follow the view's position change. */
export function registryChanges(store: ViewStore, ledger: string, entries: readonly StoredEntry[]): ViewChange[] {
  const before = registeredRow(store, ledger)
  const after = evolveRegistered(before, entries)
  return after === before ? [] : [registryRow(after)]
}
