import { equalBytes } from '../base/bytes.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'
import type { LeaseView } from '../projections/port.ts'
import type { ViewStore } from '../projections/store.ts'
import { Follower, type FollowerOptions, type View } from './follower.ts'
import { LeaseRows, type LeaseStep } from './lease-rows.ts'
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
    const { changes, committed } = this.step(ledger, entries)
    await this.#store.commit(stateView, ledger, last.seq, changes)
    committed(last.seq)
  }

  /** What entries that begin right after the position change, for somebody else to commit. */
  step(ledger: string, entries: readonly StoredEntry[]): LeaseStep {
    const { changes, committed } = this.leases.step(ledger, entries)
    return { changes: [...registryChanges(this.#store, ledger, entries), ...changes], committed }
  }
}

/** The lease view as `http` reads it, and what keeps it up. */
export interface FollowedState {
  readonly follower: Pick<Follower, 'position' | 'failing' | 'wake' | 'start' | 'stop'> & {
    /** Something that somebody who looks after it should know. */
    readonly note?: string | undefined
  }
  readonly leases: LeaseView
}

export type FollowState = (view: StateView, options: Omit<FollowerOptions, 'view'>) => FollowedState

/** The view folded by this process alone, from its own log. */
export const followState: FollowState = (view, options) => {
  const follower = new Follower({ ...options, view })
  const leases: LeaseView = {
    position: ledger => view.position(ledger),
    reached: (ledger, seq, timeoutMs) => follower.reached(ledger, seq, timeoutMs),
    list: async (...query) => view.leases.list(...query),
  }
  return { follower, leases }
}

export interface RebuildOptions {
  /** Last seq of a ledger to fold; all of it when absent. */
  readonly until?: (ledger: string) => number
  /** After each step, with the entries folded so far, over all ledgers. May throw, to end it. */
  readonly onFolded?: (entries: number) => void
}

/** Folds the log from nothing: what a view has to equal, byte for byte. Cut off, it goes on at the next start. */
export async function rebuildState(log: LogReader, store: ViewStore, options: RebuildOptions = {}): Promise<void> {
  const { until = () => Number.MAX_SAFE_INTEGER, onFolded } = options
  await store.adopt(stateView, stateVersion)
  await store.reset(stateView)
  const view = await StateView.open(store)
  let before = 0
  for (const ledger of await log.ledgers()) {
    before += await foldOn(log, view, ledger, until(ledger), entries => onFolded?.(before + entries))
  }
}

const foldBatch = 5_000

/** Folds a ledger from where its view stands up to `last`, or to where the log ends before; how many entries that took. */
export async function foldOn(
  log: LogReader,
  view: StateView,
  ledger: string,
  last: number,
  onFolded?: (entries: number) => void,
): Promise<number> {
  let folded = 0
  for (let from = (await view.position(ledger)) + 1; from <= last; ) {
    const entries = await log.read(ledger, from, Math.min(foldBatch, last + 1 - from))
    const end = entries.at(-1)
    if (end === undefined) break
    await view.take(ledger, entries)
    from = end.seq + 1
    folded += entries.length
    onFolded?.(folded)
  }
  return folded
}

/** A row of the state view that is not what the log adds up to. */
export interface StateFinding {
  readonly code: 'state-missing' | 'state-invented' | 'state-changed'
  readonly ledger: string
  readonly key: string
}

/**
 * Holds the state view against a fold of the log from nothing, row by row, each ledger up to the view's own position (what
 * it has not folded yet is late, not wrong). The fold is made in `fresh`, an empty store.
 */
export async function* stateAgainst(
  log: LogReader,
  store: ViewStore,
  fresh: ViewStore,
  onFolded?: (entries: number) => void,
): AsyncGenerator<StateFinding> {
  const until = (ledger: string): number => store.position(stateView, ledger)
  await rebuildState(log, fresh, { until, ...(onFolded && { onFolded }) })
  for (const ledger of await log.ledgers()) yield* rowsApart(store, fresh, ledger)
}

/** Where the rows of a ledger in `store` are not those of `fresh`. Both stand at the same position. */
export function* rowsApart(store: ViewStore, fresh: ViewStore, ledger: string): Generator<StateFinding> {
  const rowsOf = (from: ViewStore) =>
    from.range(stateView, ledger, { limit: Number.POSITIVE_INFINITY })[Symbol.iterator]()
  const [kept, made] = [rowsOf(store), rowsOf(fresh)]
  let [mine, theirs] = [kept.next(), made.next()]
  while (!mine.done || !theirs.done) {
    const order = compareKeys(mine.done ? undefined : mine.value[0], theirs.done ? undefined : theirs.value[0])
    if (order < 0 && !mine.done) yield { code: 'state-invented', ledger, key: mine.value[0] }
    if (order > 0 && !theirs.done) yield { code: 'state-missing', ledger, key: theirs.value[0] }
    if (!mine.done && !theirs.done && order === 0 && !equalBytes(mine.value[1], theirs.value[1])) {
      yield { code: 'state-changed', ledger, key: mine.value[0] }
    }
    if (order <= 0) mine = kept.next()
    if (order >= 0) theirs = made.next()
  }
}

/** As the store sorts keys; one that is not there any more comes last. */
function compareKeys(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
