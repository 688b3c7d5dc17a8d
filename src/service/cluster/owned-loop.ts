import { Sleeper } from '../sleeper.ts'

/** How a partition stands with this process. */
export type Standing = 'taking-over' | 'owned' | 'fenced' | 'failing' | 'stopped'

/** What a process does with a partition that it owns. */
export interface OwnedWork {
  /** Takes the partition over, from whoever had it, and reads what the work goes on from; may stop where it is not wanted any more. */
  takeOver(isWanted: () => boolean): Promise<void>
  /** One step; what it throws leaves doubt, and the partition is taken over again. */
  step(): Promise<void>
  /** Writes no more until it is taken over again; called after every error, too, and however often. */
  letGo(): Promise<void>
  /** Whether an error says that another process owns the partition now. */
  isFenced(error: unknown): boolean
  /** Told of an error that is no fencing; it is tried again after `retryInMs`. */
  failed(error: unknown, retryInMs: number): void
  /** Told that another process owns the partition now. */
  fenced(): void
}

const retryMsMin = 50
const retryMsMax = 5_000

/**
 * The life of a partition in this process: taken over, worked on step by step, and let go. What the work believes is what was
 * read back after the partition was taken over, so any doubt ends in taking it over again; the wait before that grows until a
 * step has succeeded. One that was fenced stays off until it is told to start again.
 */
export class OwnedLoop {
  /** What keeps it from its work, if anything does. */
  trouble: string | undefined
  readonly #work: OwnedWork
  readonly #sleeper = new Sleeper()
  #standing: Standing = 'stopped'
  #fencedAtMs = 0
  #failingSinceMs: number | undefined
  #running: Promise<void> = Promise.resolve()
  /** Counts the times that it was told to start or stop; a run ends when its time is over. */
  #turn = 0
  #isMeant = false
  #isWoken = false
  #isIdle = false

  constructor(work: OwnedWork) {
    this.#work = work
  }

  get standing(): Standing {
    return this.#standing
  }

  /** When another process took the partition over, by `performance.now()`. */
  get fencedAtMs(): number {
    return this.#fencedAtMs
  }

  /** Since when no step has succeeded for errors, by `performance.now()`; `undefined` when none is in the way. */
  get failingSinceMs(): number | undefined {
    return this.#failingSinceMs
  }

  /** Whether it was told to start, and not to stop since. */
  get isMeant(): boolean {
    return this.#isMeant
  }

  /** Begins, unless it runs already. */
  start(): void {
    if (this.#isMeant && this.#standing !== 'fenced') return
    this.#isMeant = true
    this.#standing = 'taking-over'
    this.#turn += 1
    const turn = this.#turn
    this.#running = this.#running.then(() => this.#run(turn))
  }

  /** Finishes the step under way, and lets the partition go. */
  async stop(): Promise<void> {
    this.#isMeant = false
    this.#turn += 1
    this.#sleeper.wake()
    await this.#running
  }

  /** There is more to do. */
  wake(): void {
    this.#isWoken = true
    if (this.#isIdle) this.#sleeper.wake()
  }

  /** For a step with nothing to do: resolves when there may be more since the last one that had none, and after `ms`. */
  async idle(ms: number): Promise<void> {
    if (!this.#isWoken) {
      this.#isIdle = true
      await this.rest(ms)
      this.#isIdle = false
    }
    this.#isWoken = false
  }

  /** Resolves after `ms`, or when it is told to stop. */
  async rest(ms: number): Promise<void> {
    if (this.#isMeant) await this.#sleeper.sleep(ms)
  }

  async #run(turn: number): Promise<void> {
    const work = this.#work
    const isWanted = (): boolean => this.#turn === turn
    for (let waitMs = retryMsMin; isWanted(); waitMs = Math.min(2 * waitMs, retryMsMax)) {
      try {
        this.#standing = 'taking-over'
        await work.takeOver(isWanted)
        this.#standing = 'owned'
        this.trouble = undefined
        while (isWanted()) {
          await work.step()
          waitMs = retryMsMin
          this.#failingSinceMs = undefined
        }
      } catch (error) {
        await work.letGo()
        if (!isWanted()) break
        this.trouble = (error as Error).message
        if (work.isFenced(error)) {
          this.#standing = 'fenced'
          this.#fencedAtMs = performance.now()
          work.fenced()
          return
        }
        this.#standing = 'failing'
        this.#failingSinceMs ??= performance.now()
        work.failed(error, waitMs)
        await this.rest(waitMs)
      }
    }
    await work.letGo()
    this.#failingSinceMs = undefined
    if (!this.#isMeant) this.#standing = 'stopped'
  }
}
