/**
 * How much each token may send: a bucket that fills at `perSecond` up to `burst`. A request goes on while the bucket holds
 * anything and takes what it brings, into debt if need be, so that a batch larger than the burst is paid for and not
 * refused for ever. Buckets that have filled up again are forgotten: memory is bounded by the tokens in use.
 */
export class RateLimiter {
  readonly #perMs: number
  readonly #burst: number
  readonly #nowMs: () => number
  readonly #buckets = new Map<string, { level: number; atMs: number }>()

  constructor(perSecond: number, burst: number, nowMs: () => number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#nowMs = nowMs
  }

  /** Takes one from `key`; 0 when there was one, else the seconds to wait. */
  enter(key: string): number {
    const bucket = this.#filled(key)
    if (bucket.level <= 0) return Math.max(1, Math.ceil((1 - bucket.level) / this.#perMs / 1000))
    bucket.level -= 1
    return 0
  }

  /** Takes `count` more of what a request turned out to bring. */
  charge(key: string, count: number): void {
    if (count > 0) this.#filled(key).level -= count
  }

  /** Forgets the buckets that are full. */
  sweep(): void {
    for (const key of this.#buckets.keys()) if (this.#filled(key).level >= this.#burst) this.#buckets.delete(key)
  }

  get size(): number {
    return this.#buckets.size
  }

  #filled(key: string): { level: number; atMs: number } {
    const nowMs = this.#nowMs()
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      const made = { level: this.#burst, atMs: nowMs }
      this.#buckets.set(key, made)
      return made
    }
    bucket.level = Math.min(this.#burst, bucket.level + (nowMs - bucket.atMs) * this.#perMs)
    bucket.atMs = nowMs
    return bucket
  }
}
