import { textOf } from '../base/bytes.ts'
import { violationsToldMax } from '../contract/leases.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { leaseAt, leaseNow, strayViolations } from '../projections/lease-at.ts'
import type { Lease, LeaseFamily } from '../projections/lease-state.ts'
import { LeaseBook, leaseFactsIn } from '../projections/leases.ts'
import { itemsOf } from '../projections/pages.ts'
import type { LeaseAt, LeaseFilter, LeasePage } from '../projections/port.ts'
import type { ViewChange, ViewStore } from '../projections/store.ts'
import { grantKey, grantPrefix, principalKey, principalPrefix, rowsOf, StoredLeases, seqIn } from './lease-store.ts'
import { bareRow, stateView } from './state-rows.ts'

/** Leases that one page looks at before it gives what it has: the next page goes on from there. */
const scanMax = 10_000

/** What a step changes. */
export interface LeaseStep {
  readonly changes: readonly ViewChange[]
  /** To be called when the changes, and the position `seq` with them, are committed. */
  committed(seq: number): void
}

/** The state of every lease as rows of the state view (`lease-store.ts`), folded from the log. */
export class LeaseRows {
  readonly #store: ViewStore
  readonly #stored = new Map<string, StoredLeases>()

  constructor(store: ViewStore) {
    this.#store = store
  }

  /** Remembers no row of a ledger: somebody else has changed some, and left the position as it was. */
  forget(ledger: string): void {
    this.#stored.delete(ledger)
  }

  /** What entries that follow the view's position change. Pure but for reading the rows of before. */
  step(ledger: string, entries: readonly StoredEntry[]): LeaseStep {
    const stored = this.#storedOf(ledger)
    const book = new LeaseBook(stored)
    const changes: ViewChange[] = []
    for (const { bytes } of entries) {
      for (const fact of leaseFactsIn(bytes)) {
        const { leases } = book.take(fact)
        if (fact.kind !== 'granted') continue
        // The lease that took these terms: a new one, or, when they amend it, one that was granted before.
        for (const { grantedSeq } of leases) {
          changes.push(bareRow(principalKey(fact.terms.principal, grantedSeq)))
        }
      }
    }
    const settled = rowsOf(book)
    for (const change of settled.changes) changes.push(change)
    return { changes, committed: seq => stored.keep(seq, settled) }
  }

  list(ledger: string, filter: LeaseFilter, atMs: number, limit: number, after = -1, now = false): LeasePage {
    const stored = this.#storedOf(ledger)
    const asOf = stored.position()
    const looking = { pages: stored, violationsMax: violationsToldMax }
    const items: LeaseAt[] = []
    const strays = filter.lease === undefined ? {} : this.#strays(stored, filter.lease, now ? undefined : atMs)
    let scanned = 0
    for (const lease of this.#candidates(ledger, filter, after)) {
      if (items.length === limit || scanned === scanMax) return { items, next: lease.grantedSeq - 1, asOf, ...strays }
      scanned += 1
      const standing = now ? leaseNow(lease, atMs, looking) : leaseAt(lease, atMs, looking)
      if (standing !== undefined && fits(standing, filter)) items.push(standing)
    }
    return { items, asOf, ...strays }
  }

  #strays(stored: StoredLeases, lease: string, atMs: number | undefined): Pick<LeasePage, 'strays'> {
    const family = stored.family(lease)
    if (family?.strays === undefined) return {}
    return { strays: strayViolations(family, atMs, { pages: stored, violationsMax: violationsToldMax }) }
  }

  /** Leases that may fit, by granted seq. */
  *#candidates(ledger: string, filter: LeaseFilter, after: number): Generator<Lease> {
    const stored = this.#storedOf(ledger)
    if (filter.lease !== undefined) {
      const { leaseId, grants }: LeaseFamily = stored.family(filter.lease) ?? { leaseId: filter.lease }
      for (const seq of itemsOf(grants, n => stored.page('grants', leaseId, n))) {
        const lease = seq > after ? stored.lease(seq) : undefined
        if (lease !== undefined) yield lease
      }
      return
    }
    if (filter.principal === undefined) {
      const range = { prefix: grantPrefix, after: grantKey(after), limit: scanMax + 1 }
      for (const [, value] of this.#store.range(stateView, ledger, range)) {
        yield JSON.parse(textOf(value) ?? '') as Lease
      }
      return
    }
    const range = { prefix: principalPrefix(filter.principal), after: principalKey(filter.principal, after) }
    for (const [key] of this.#store.range(stateView, ledger, { ...range, limit: scanMax + 1 })) {
      const lease = stored.lease(seqIn(key))
      if (lease !== undefined) yield lease
    }
  }

  #storedOf(ledger: string): StoredLeases {
    const stored = this.#stored.get(ledger) ?? new StoredLeases(this.#store, ledger)
    this.#stored.set(ledger, stored)
    stored.check()
    return stored
  }
}

const fits = ({ lease, status }: LeaseAt, filter: LeaseFilter): boolean =>
  (filter.status === undefined || filter.status === status) &&
  (filter.principal === undefined || filter.principal === lease.principal) &&
  (filter.server === undefined || filter.server === lease.server) &&
  (filter.tool === undefined || lease.tools.includes(filter.tool))
