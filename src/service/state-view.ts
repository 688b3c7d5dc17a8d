import type { StoredEntry } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'
import type { LeaseView } from '../projections/port.ts'
import type { ViewStore } from '../projections/store.ts'
import { Follower, type FollowerOptions, type View } from './follower.ts'
import { LeaseRows } from './lease-rows.ts'
import { registryChanges } from './registry-rows.ts'
import { stateVersion, stateView } from './state-rows.ts'

/**
 * What the ledger's entries add up to, on disk: leases, signing keys, emitters. A step reads the rows that its entries speak
 * of, folds, and commits them with the position, so that starting again costs nothing, however long the ledger is.
 */
export class StateView implements View {
  readonly name = stateView
  readonly leases: LeaseRows
  readonly #store: ViewStore

  private constructor(store: ViewStore) {
    this.#store = store
    this.leases = new LeaseRows(store)
  }

  static async open(store: ViewStore): Promise<StateView> {
    await store.adopt(stateView, stateVersion)
    return new StateView(store)
  }

  async position(ledger: string): Promise<number> {
    return this.#store.position(stateView, ledger)
  }

  async take(ledger: string, entries: readonly StoredEntry[]): Promise<void> {
    const last = entries.at(-1)
    if (last === undefined) return
    const { changes, committed } = this.leases.step(ledger, entries)
    await this.#store.commit(stateView, ledger, last.seq, [
      ...registryChanges(this.#store, ledger, entries),
      ...changes,
    ])
    committed(last.seq)
  }
}

/** The lease view as `http` reads it, and the follower that keeps it up. */
export function followState(
  view: StateView,
  options: Omit<FollowerOptions, 'view'>,
): { readonly follower: Follower; readonly leases: LeaseView } {
  const follower = new Follower({ ...options, view })
  const leases: LeaseView = {
    position: ledger => view.position(ledger),
    reached: (ledger, seq, timeoutMs) => follower.reached(ledger, seq, timeoutMs),
    list: async (...query) => view.leases.list(...query),
  }
  return { follower, leases }
}

/** Folds a whole log into an empty store: what a view has to equal, byte for byte. */
export async function rebuildState(log: LogReader, store: ViewStore, batch = 5_000): Promise<void> {
  await store.adopt(stateView, stateVersion)
  await store.reset(stateView)
  const view = await StateView.open(store)
  for (const ledger of await log.ledgers()) {
    for (let from = 0; ; ) {
      const entries = await log.read(ledger, from, batch)
      const last = entries.at(-1)
      if (last === undefined) break
      await view.take(ledger, entries)
      from = last.seq + 1
    }
  }
}
