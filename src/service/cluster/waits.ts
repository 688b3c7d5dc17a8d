/** What waits of a ledger. */
interface Wait {
  /** Requests that wait now. */
  open: number
  /** Since when nothing has come of any, by `performance.now()`. */
  sinceMs: number
  /** Offset of the newest intake record; those of requests that were given up count, too. */
  last: number
}

/**
 * Which ledgers of a partition wait for their places, and for how long nothing has come of it: a ledger is written or not
 * whatever becomes of others.
 */
export class Waits {
  readonly #byLedger = new Map<string, Wait>()

  /** A request begins to wait. */
  begin(ledger: string): void {
    const wait = this.#byLedger.get(ledger) ?? { open: 0, sinceMs: performance.now(), last: -1 }
    wait.open += 1
    this.#byLedger.set(ledger, wait)
  }

  /** Its records stand in intake, up to `last`. */
  sent(ledger: string, last: number): void {
    const wait = this.#byLedger.get(ledger)
    if (wait !== undefined) wait.last = Math.max(wait.last, last)
  }

  /** It has its answer. */
  answered(ledger: string): void {
    const wait = this.#byLedger.get(ledger)
    if (wait === undefined) return
    wait.open -= 1
    wait.sinceMs = performance.now()
    if (wait.open === 0) this.#byLedger.delete(ledger)
  }

  /** It is given up; its records stay where they are. */
  givenUp(ledger: string): void {
    const wait = this.#byLedger.get(ledger)
    if (wait === undefined) return
    wait.open -= 1
    if (wait.open === 0 && wait.last < 0) this.#byLedger.delete(ledger)
  }

  /** Everything of intake below `intake` is placed, or never will be. */
  passed(intake: number): void {
    for (const [ledger, { open, last }] of this.#byLedger)
      if (open === 0 && last < intake) this.#byLedger.delete(ledger)
  }

  /** How long nothing has come of what waits of a ledger; 0 when nothing waits now. */
  stalledMs(ledger: string): number {
    const wait = this.#byLedger.get(ledger)
    return wait === undefined || wait.open === 0 ? 0 : performance.now() - wait.sinceMs
  }

  /** The ledger of which nothing has come for the longest time. */
  longest(): { readonly ledger: string; readonly ms: number } | undefined {
    let found: { ledger: string; ms: number } | undefined
    const nowMs = performance.now()
    for (const [ledger, { sinceMs }] of this.#byLedger) {
      if (nowMs - sinceMs > (found?.ms ?? 0)) found = { ledger, ms: nowMs - sinceMs }
    }
    return found
  }
}
