/**
 * Answers without an end in sight: exports and followers. Each holds a place among at most `streamsMax`, and all end when
 * the service does. `wake` tells the followers of a ledger that it grew.
 */
export class Streams {
  readonly #max: number
  readonly #open = new Set<AbortController>()
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#open.size
  }

  /** A place, or `undefined` where all are taken. Abort it when the stream is over. */
  open(): AbortController | undefined {
    if (this.#open.size >= this.#max) return undefined
    const place = new AbortController()
    this.#open.add(place)
    place.signal.addEventListener('abort', () => this.#open.delete(place), { once: true })
    return place
  }

  closeAll(): void {
    for (const place of this.#open) place.abort()
  }

  wake(ledger: string): void {
    for (const resolve of this.#waiting.get(ledger) ?? []) resolve()
  }

  /** Resolves when `ledger` grows in this process, after `timeoutMs`, or when `signal` aborts. */
  grown(ledger: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const waiting = this.#waiting.get(ledger) ?? new Set()
      this.#waiting.set(ledger, waiting)
      const finish = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', finish)
        waiting.delete(finish)
        if (waiting.size === 0 && this.#waiting.get(ledger) === waiting) this.#waiting.delete(ledger)
        resolve()
      }
      const timer = setTimeout(finish, timeoutMs)
      waiting.add(finish)
      signal.addEventListener('abort', finish, { once: true })
      if (signal.aborted) finish()
    })
  }
}
