import type { StoredEntry } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'

/** A view as its follower sees it: where it stands, and one durable step that takes the next entries. */
export interface View {
  readonly name: string
  position(ledger: string): Promise<number>
  /** Folds entries that begin right after the position. Idempotent: a follower may repeat itself after a failure. */
  take(ledger: string, entries: readonly StoredEntry[]): Promise<void>
}

export interface FollowerOptions {
  readonly log: LogReader
  readonly view: View
  /** Entries of one step at most. */
  readonly batch: number
  /** Rest after a step, ms: fewer, larger steps, and the machine left to ingest. A waiting reader cuts it short. */
  readonly restMs: number
  readonly onError: (error: unknown, retryInMs: number) => void
  /** Whether the machine is wanted for something that comes first: a step then waits, up to `deferMsMax`. */
  readonly isBusy?: () => boolean
  /** After each step that went well. */
  readonly onStep?: () => void
}

const retryMsMin = 100
const retryMsMax = 10_000
/** How long a step waits at most for what comes first, so that a view lags under load and never stands still. */
const deferMsMax = 5_000
const deferStepMs = 50
/** How long it sleeps when nobody wakes it: another process may have written. */
const idleMs = 1_000

/** What ends a sleep early, besides stopping: any news, a reader that waits, or nothing. */
type Until = 'woken' | 'hurried' | 'stopped'

/**
 * Keeps a view up with the log: reads on from the view's own position, ledger by ledger, until it has reached every head,
 * then sleeps until it is woken. A failing view is tried again for ever, more and more slowly, and holds nothing else up.
 */
export class Follower {
  readonly #options: FollowerOptions
  #sleeper: { readonly until: Until; readonly end: () => void } | undefined
  #woken = false
  #stopping = false
  #running: Promise<void> | undefined
  #waiting: { ledger: string; seq: number; done: (reached: boolean) => void }[] = []
  readonly #positions = new Map<string, number>()

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** There is more to read. */
  wake(): void {
    this.#woken = true
    if (this.#sleeper?.until === 'woken') this.#sleeper.end()
  }

  /** What was in the way is gone, as far as anybody knows: don't wait for the next try. */
  retryNow(): void {
    this.#sleeper?.end()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#sleeper?.end()
    await this.#running
    for (const waiter of this.#waiting.splice(0)) waiter.done(false)
  }

  /** Last position known of the view, without asking it. */
  position(ledger: string): number {
    return this.#positions.get(ledger) ?? -1
  }

  /** Resolves true when the view has folded `seq`, false after `timeoutMs`. */
  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    if (this.position(ledger) >= seq) return true
    if (timeoutMs <= 0 || this.#stopping) return false
    this.#woken = true
    if (this.#sleeper !== undefined && this.#sleeper.until !== 'stopped') this.#sleeper.end()
    return new Promise(resolve => {
      const done = (reached: boolean): void => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter(other => other !== waiter)
        resolve(reached)
      }
      const waiter = { ledger, seq, done }
      const timer = setTimeout(() => done(false), timeoutMs)
      this.#waiting.push(waiter)
    })
  }

  async #run(): Promise<void> {
    let retryMs = retryMsMin
    while (!this.#stopping) {
      this.#woken = false
      await this.#defer()
      try {
        const took = await this.#step()
        retryMs = retryMsMin
        this.#options.onStep?.()
        if (took) await this.#sleep(this.#waiting.length > 0 ? 0 : this.#options.restMs, 'hurried')
        else if (!this.#woken) await this.#sleep(idleMs, 'woken')
      } catch (error) {
        // What is stopped under its hands is no failure.
        if (!this.#stopping) this.#options.onError(error, retryMs)
        await this.#sleep(retryMs, 'stopped')
        retryMs = Math.min(2 * retryMs, retryMsMax)
      }
    }
  }

  /** Lets what comes first go first, unless a reader waits for this view. */
  async #defer(): Promise<void> {
    const { isBusy } = this.#options
    const until = performance.now() + deferMsMax
    while (!this.#stopping && this.#waiting.length === 0 && isBusy?.() && performance.now() < until) {
      await this.#sleep(deferStepMs, 'hurried')
    }
  }

  /** One batch of every ledger; true when there was any. */
  async #step(): Promise<boolean> {
    const { log, view, batch } = this.#options
    let took = false
    for (const ledger of await log.ledgers()) {
      if (this.#stopping) return false
      const position = await view.position(ledger)
      this.#reach(ledger, position)
      const entries = await log.read(ledger, position + 1, batch)
      const last = entries.at(-1)
      if (last === undefined) continue
      await view.take(ledger, entries)
      this.#reach(ledger, last.seq)
      took = true
    }
    return took
  }

  #reach(ledger: string, position: number): void {
    this.#positions.set(ledger, position)
    for (const waiter of this.#waiting) if (waiter.ledger === ledger && waiter.seq <= position) waiter.done(true)
  }

  #sleep(ms: number, until: Until): Promise<void> {
    if (this.#stopping) return Promise.resolve()
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#sleeper = undefined
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.#sleeper = { until, end }
    })
  }
}
