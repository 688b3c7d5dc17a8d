import { textOf } from '../base/bytes.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { leaseAt, leaseNow } from '../projections/lease-at.ts'
import { evolve, type LeaseFamily, leaseFactsIn } from '../projections/leases.ts'
import type { LeaseAt, LeaseFilter, LeasePage } from '../projections/port.ts'
import type { ViewChange, ViewStore } from '../projections/store.ts'
import { keyOf, row, stateView } from './state-rows.ts'

/** Leases that one page looks at before it gives what it has: the next page goes on from there. */
const scanMax = 10_000

/**
 * The state of every lease as rows of the state view, folded from the log:
 *
 * - `f/<lease id>`: the family of that id, as JSON;
 * - `g/<granted seq>`: its lease id, for listing in order;
 * - `p/<principal>NUL<granted seq>`: its lease id, for what one principal holds.
 *
 * A long id or principal stands as its hash (`keyOf`).
 */
export class LeaseRows {
  readonly #store: ViewStore

  constructor(store: ViewStore) {
    this.#store = store
  }

  /** What entries that follow the view's position change. Pure but for reading the rows of before. */
  changes(ledger: string, entries: readonly StoredEntry[]): ViewChange[] {
    const touched = new Map<string, LeaseFamily>()
    const changes: ViewChange[] = []
    for (const { bytes } of entries) {
      for (const fact of leaseFactsIn(bytes)) {
        const before = touched.get(fact.lease) ?? this.family(ledger, fact.lease)
        const after = evolve(before, fact)
        touched.set(fact.lease, after)
        if (fact.kind !== 'granted') continue
        // The lease that took these terms: a new one, or, when they amend it, one that was granted before.
        const taker = after.leases.find(lease => lease.terms.some(terms => terms.seq === fact.seq))
        if (taker === undefined) continue
        changes.push(row(grantKey(taker.grantedSeq), fact.lease))
        changes.push(row(principalKey(fact.terms.principal, taker.grantedSeq), fact.lease))
      }
    }
    for (const [lease, family] of touched) changes.push(row(familyKey(lease), family))
    return changes
  }

  family(ledger: string, lease: string): LeaseFamily | undefined {
    const value = this.#store.get(stateView, ledger, familyKey(lease))
    return value === undefined ? undefined : (JSON.parse(textOf(value) ?? '') as LeaseFamily)
  }

  list(ledger: string, filter: LeaseFilter, atMs: number, limit: number, after = -1, now = false): LeasePage {
    const asOf = this.#store.position(stateView, ledger)
    const items: LeaseAt[] = []
    let scanned = 0
    for (const { lease, seq } of this.#candidates(ledger, filter, after)) {
      if (items.length === limit || scanned === scanMax) return { items, next: seq - 1, asOf }
      scanned += 1
      const found = this.family(ledger, lease)?.leases.find(one => one.grantedSeq === seq)
      if (found === undefined) continue
      const standing = now ? leaseNow(found, atMs) : leaseAt(found, atMs)
      if (standing !== undefined && fits(standing, filter)) items.push(standing)
    }
    return { items, asOf }
  }

  /** Leases that may fit, by granted seq. */
  *#candidates(ledger: string, filter: LeaseFilter, after: number): Generator<{ lease: string; seq: number }> {
    if (filter.lease !== undefined) {
      const lease = filter.lease
      for (const { grantedSeq: seq } of this.family(ledger, lease)?.leases ?? []) if (seq > after) yield { lease, seq }
      return
    }
    const prefix = filter.principal === undefined ? 'g/' : principalPrefix(filter.principal)
    const range = { prefix, after: prefix + seqText(after), limit: scanMax + 1 }
    for (const [key, value] of this.#store.range(stateView, ledger, range)) {
      yield { lease: JSON.parse(textOf(value) ?? '') as string, seq: Number(key.slice(-seqDigits)) }
    }
  }
}

const seqDigits = 16
/** Decimal digits of a seq that sort as it counts; `after` may be -1, which sorts before them all. */
const seqText = (seq: number): string => (seq < 0 ? '' : String(seq).padStart(seqDigits, '0'))
const familyKey = (lease: string): string => keyOf('f', lease)
const grantKey = (seq: number): string => `g/${seqText(seq)}`
const principalPrefix = (principal: string): string => `${keyOf('p', principal)}\u0000`
const principalKey = (principal: string, seq: number): string => principalPrefix(principal) + seqText(seq)

const fits = ({ lease, status }: LeaseAt, filter: LeaseFilter): boolean =>
  (filter.status === undefined || filter.status === status) &&
  (filter.principal === undefined || filter.principal === lease.principal) &&
  (filter.server === undefined || filter.server === lease.server) &&
  (filter.tool === undefined || lease.tools.includes(filter.tool))
