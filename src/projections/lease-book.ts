import type { LeaseFact } from './lease-facts.ts'
import type { Lease, LeaseChange, LeaseFamily, LeaseLists, LeaseState } from './lease-state.ts'
import { evolve } from './leases.ts'

/** What stands under a book that begins with nothing. */
const nothing: LeaseState = {
  family: () => undefined,
  lease: () => undefined,
  isNoted: () => false,
  page: () => [],
}

/**
 * Leases as they are folded: what has changed, over what was there before. Over nothing it holds everything, in memory.
 */
export class LeaseBook implements LeaseState {
  readonly families = new Map<string, LeaseFamily>()
  readonly leases = new Map<number, Lease>()
  /** Decisions noted, by lease id. */
  readonly noted = new Map<string, Set<string>>()
  /** Leases that were read from below: an id that was granted often has each read once. */
  readonly #read = new Map<number, Lease>()
  readonly #below: LeaseState

  constructor(below = nothing) {
    this.#below = below
  }

  /** Folds one more fact, and says what it changed. */
  take(fact: LeaseFact): LeaseChange {
    const change = evolve(this, fact)
    if (change.family !== undefined) this.families.set(fact.lease, change.family)
    for (const lease of change.leases) this.leases.set(lease.grantedSeq, lease)
    if (change.noted.length > 0) {
      const noted = this.noted.get(fact.lease) ?? new Set()
      for (const decision of change.noted) noted.add(decision)
      this.noted.set(fact.lease, noted)
    }
    return change
  }

  family(leaseId: string): LeaseFamily | undefined {
    return this.families.get(leaseId) ?? this.#below.family(leaseId)
  }

  lease(grantedSeq: number): Lease | undefined {
    const known = this.leases.get(grantedSeq) ?? this.#read.get(grantedSeq)
    if (known !== undefined) return known
    const lease = this.#below.lease(grantedSeq)
    if (lease !== undefined) this.#read.set(grantedSeq, lease)
    return lease
  }

  isNoted(leaseId: string, decision: string): boolean {
    return this.noted.get(leaseId)?.has(decision) === true || this.#below.isNoted(leaseId, decision)
  }

  page<List extends keyof LeaseLists>(list: List, of: number | string, n: number): readonly LeaseLists[List][] {
    return this.#below.page(list, of, n)
  }
}
