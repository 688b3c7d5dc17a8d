import type { StoredEntry } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'
import { Sleeper } from './sleeper.ts'

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
  /** A step failed in one or more ledgers: the first of the errors, and when that ledger is tried again. */
  readonly onError: (error: unknown, retryInMs: number) => void
  /** Whether the machine is wanted for something that comes first: a step then waits, up to `deferMsMax`. */
  readonly isBusy?: () => boolean
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

interface Failure {
  readonly error: unknown
  readonly retryMs: number
  readonly retryAtMs: number
}

interface Step {
  /** Whether there was anything to fold. */
  readonly took: boolean
  /** Whether a whole step more is there already: then it goes on without a rest. */
  readonly isFar: boolean
  /** Whether any ledger, or there being none yet, is without a failure. */
  readonly others: boolean
}

/**
 * Keeps a view up with the log: reads on from the view's own position, ledger by ledger, until it has reached every head,
 * then sleeps until it is woken. What fails is tried again for ever, more and more slowly, and holds nothing else up: no
 * other view, and no other ledger of this one.
 */
export class Follower {
  readonly #options: FollowerOptions
  readonly #sleeper = new Sleeper()
  /** What ends the sleep under way, if there is one. */
  #sleepsUntil: Until | undefined
  #woken = false
  #stopping = false
  #running: Promise<void> | undefined
  #waiting: { ledger: string; seq: number; done: (reached: boolean) => void }[] = []
  #ledgers: ReadonlySet<string> = new Set()
  readonly #positions = new Map<string, number>()
  /** By ledger; under no name that the ledgers could not be listed. */
  readonly #failures = new Map<string, Failure>()

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** There is more to read. */
  wake(): void {
    this.#woken = true
    if (this.#sleepsUntil === 'woken') this.#sleeper.wake()
  }

  /** What was in the way is gone, as far as anybody knows: don't wait for the next try. */
  retryNow(): void {
    for (const [ledger, failure] of this.#failures) this.#failures.set(ledger, { ...failure, retryAtMs: 0 })
    this.#woken = true
    this.#sleeper.wake()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#sleeper.wake()
    await this.#running
    for (const waiter of this.#waiting.splice(0)) waiter.done(false)
  }

  /** What the view fails with now, if it does, and where. */
  get failing(): string | undefined {
    const [first] = this.#failures
    if (first === undefined) return undefined
    const [ledger, { error }] = first
    const says = error instanceof Error ? error.message : String(error)
    return ledger !== '' && this.#failures.size < this.#positions.size ? `${ledger}: ${says}` : says
  }

  /** Whether the ledger was among those to follow when they were last listed: in a cluster they come and go. */
  follows(ledger: string): boolean {
    return this.#ledgers.has(ledger)
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
    if (this.#sleepsUntil !== 'stopped') this.#sleeper.wake()
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
    while (!this.#stopping) {
      this.#woken = false
      await this.#defer()
      const { took, isFar, others } = await this.#step()
      const retryMs = this.#nextRetryMs()
      if (took) await this.#sleep(isFar || this.#waiting.length > 0 ? 0 : this.#options.restMs, 'hurried')
      // News helps nobody while nothing can be followed.
      else if (!others) await this.#sleep(retryMs, 'stopped')
      else if (!this.#woken) await this.#sleep(Math.min(idleMs, retryMs), 'woken')
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

  /** One batch of every ledger that is not resting from a failure. */
  async #step(): Promise<Step> {
    const failed: Failure[] = []
    let took = false
    let isFar = false
    const ledgers = await this.#attempt('', () => this.#options.log.ledgers(), failed)
    if (ledgers !== undefined) this.#keep(new Set(ledgers))
    for (const ledger of ledgers ?? []) {
      if (this.#stopping) break
      if ((this.#failures.get(ledger)?.retryAtMs ?? 0) > performance.now()) continue
      const left = await this.#attempt(ledger, () => this.#take(ledger), failed)
      took ||= left !== undefined
      isFar ||= (left ?? 0) >= this.#options.batch
    }
    const [first] = failed
    // What is stopped under its hands is no failure.
    if (first !== undefined && !this.#stopping) this.#options.onError(first.error, first.retryMs)
    const others = ledgers?.length === 0 || ledgers?.some(ledger => !this.#failures.has(ledger)) === true
    return { took, isFar, others }
  }

  /** What is followed from now on; of others nothing is known any more. */
  #keep(ledgers: ReadonlySet<string>): void {
    this.#ledgers = ledgers
    for (const known of [this.#positions, this.#failures]) {
      for (const ledger of known.keys()) if (!ledgers.has(ledger)) known.delete(ledger)
    }
  }

  /** One batch of one ledger; how many entries are left after it, `undefined` when there was none to take. */
  async #take(ledger: string): Promise<number | undefined> {
    const { log, view, batch } = this.#options
    const position = await view.position(ledger)
    this.#reach(ledger, position)
    const entries = await log.read(ledger, position + 1, batch)
    const last = entries.at(-1)
    if (last === undefined) return undefined
    await view.take(ledger, entries)
    this.#reach(ledger, last.seq)
    return ((await log.head(ledger))?.seq ?? last.seq) - last.seq
  }

  /** What `work` gives; when it fails, the failure is noted under `ledger`, which then rests longer than the last time. */
  async #attempt<T>(ledger: string, work: () => Promise<T>, failed: Failure[]): Promise<T | undefined> {
    try {
      const result = await work()
      this.#failures.delete(ledger)
      return result
    } catch (error) {
      const before = this.#failures.get(ledger)
      const retryMs = before === undefined ? retryMsMin : Math.min(2 * before.retryMs, retryMsMax)
      const failure = { error, retryMs, retryAtMs: performance.now() + retryMs }
      this.#failures.set(ledger, failure)
      failed.push(failure)
      return undefined
    }
  }

  /** Until the first ledger's rest is over; infinite when none rests. */
  #nextRetryMs(): number {
    const atMs = Math.min(...[...this.#failures.values()].map(failure => failure.retryAtMs))
    return Math.max(0, atMs - performance.now())
  }

  #reach(ledger: string, position: number): void {
    this.#positions.set(ledger, position)
    for (const waiter of this.#waiting) if (waiter.ledger === ledger && waiter.seq <= position) waiter.done(true)
  }

  async #sleep(ms: number, until: Until): Promise<void> {
    if (this.#stopping) return
    this.#sleepsUntil = until
    await this.#sleeper.sleep(ms)
    this.#sleepsUntil = undefined
  }
}
