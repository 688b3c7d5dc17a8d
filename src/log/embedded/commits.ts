import { closeSync, fsyncSync, openSync } from 'node:fs'
import { LogUnreadable, NotWritten, WriteUnknown } from '../port.ts'
import { causeOf, type Root } from './lmdb.ts'
import type { Room } from './room.ts'

/** Something to be written in one transaction, with others or alone. */
export interface Job<E> {
  /** File growth that it may cause at most, as far as can be told. */
  readonly bytes: number
  /**
   * Hands its writes to lmdb and returns lmdb's promise: true when they were made, false when their condition didn't hold.
   * Throws `NotWritten` before the first of them, never after.
   */
  write(environment: E): Promise<boolean>
  /** Whether what it writes is there; asked only when its commit failed. */
  isThere(environment: E): boolean
}

interface Waiting<E> {
  readonly job: Job<E>
  readonly resolve: (made: boolean) => void
  readonly reject: (error: unknown) => void
}

export interface CommitOptions<E> {
  /** Begins the messages: `The log`. */
  readonly what: string
  readonly open: () => E
  /** LMDB's data file. */
  readonly file: string
  readonly room: Room
}

/**
 * Group commit: one transaction at a time; what comes in meanwhile travels in the next. A job is answered once its
 * transaction is on disk (or committed, where the environment leaves syncing for later).
 *
 * When a commit fails, each of its jobs is looked for in the log. Not there, and the log can still be read: LMDB gave up
 * before the meta page, so nothing will ever point at what it wrote: `NotWritten`. Otherwise it failed at the meta page
 * itself: nobody knows what is on disk, and LMDB refuses all further use of the environment. Then the environment is closed,
 * the file synced, which makes what is read from it what is on disk, and opened anew, and the jobs are looked for again.
 * `WriteUnknown` is left for when that fails, too; every later call tries it again.
 */
export class Commits<E extends { readonly root: Root }> {
  readonly #options: CommitOptions<E>
  #environment: E
  /** Set while what the environment shows may not be what is on disk. */
  #suspect = false
  #reopening: Promise<void> | undefined
  /** What was taken on the disk and is still there if every commit since has grown the file as much as it may. */
  #roomBytes = 0
  #queue: Waiting<E>[] = []
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: CommitOptions<E>) {
    this.#options = options
    this.#environment = options.open()
  }

  /** Resolves whether the job's condition held and its writes were made. Rejects with `NotWritten` or `WriteUnknown`. */
  commit(job: Job<E>): Promise<boolean> {
    if (this.#closing !== undefined) {
      return Promise.reject(new NotWritten('closed', `${this.#options.what} is closed.`))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** The environment, for reading. Throws when it is closed, or in doubt. */
  environment(): E {
    if (this.#closing !== undefined) throw new Error(`${this.#options.what} is closed.`)
    if (this.#suspect) throw new LogUnreadable(`${this.#options.what} is being opened again after a failed write.`)
    return this.#environment
  }

  /** The environment, made certain of first where it is in doubt. */
  async certainEnvironment(): Promise<E> {
    if (this.#suspect && this.#closing === undefined) {
      await this.#running
      await this.#makeCertain()
    }
    return this.environment()
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#running
      await this.#environment.root.close()
    })()
    return this.#closing
  }

  async #run(): Promise<void> {
    // What is called in one turn of the event loop travels together.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0)
      try {
        await this.#makeCertain()
        await this.#takeRoom(group.reduce((sum, { job }) => sum + job.bytes, 0))
      } catch (error) {
        for (const { reject } of group) reject(this.#options.room.refused(error))
        continue
      }
      await this.#commit(group)
    }
    // In the same breath as the last look at the queue: a job that comes in later starts the next run.
    this.#running = undefined
  }

  async #takeRoom(bytes: number): Promise<void> {
    if (this.#roomBytes < bytes) {
      const { lastPageNumber, pageSize } = this.#environment.root.getStats()
      this.#roomBytes = await this.#options.room.take((lastPageNumber + 1) * pageSize, bytes)
    }
    this.#roomBytes -= bytes
  }

  async #commit(group: readonly Waiting<E>[]): Promise<void> {
    const outcomes = await Promise.allSettled(group.map(async ({ job }) => job.write(this.#environment)))
    const failed: { waiting: Waiting<E>; cause: unknown }[] = []
    for (const [n, waiting] of group.entries()) {
      const outcome = outcomes[n]
      if (outcome?.status === 'fulfilled') waiting.resolve(outcome.value)
      else if (outcome?.reason instanceof NotWritten) waiting.reject(outcome.reason)
      else failed.push({ waiting, cause: await causeOf(outcome?.reason) })
    }
    if (failed.length > 0) this.#roomBytes = 0
    for (const { waiting, cause } of failed) await this.#answerFailed(waiting, cause)
  }

  async #answerFailed({ job, resolve, reject }: Waiting<E>, cause: unknown): Promise<void> {
    if (!this.#suspect && this.#isPlainlyMissing(job)) {
      reject(this.#options.room.refused(cause))
      return
    }
    this.#suspect = true
    try {
      await this.#makeCertain()
      if (job.isThere(this.#environment)) resolve(true)
      else reject(this.#options.room.refused(cause))
    } catch (error) {
      const message = `${this.#options.what} could not be opened again to see what became of a failed write.`
      reject(new WriteUnknown(message, new AggregateError([cause, error])))
    }
  }

  #isPlainlyMissing(job: Job<E>): boolean {
    try {
      this.#environment.root.resetReadTxn()
      return !job.isThere(this.#environment)
    } catch {
      return false
    }
  }

  async #makeCertain(): Promise<void> {
    if (!this.#suspect) return
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = undefined
    })
    await this.#reopening
  }

  async #reopen(): Promise<void> {
    const { what, open, file } = this.#options
    await this.#environment.root.close()
    try {
      // Before LMDB opens it, because a failure of its own may end the process.
      sync(file)
      this.#environment = open()
    } catch (error) {
      throw new LogUnreadable(`${what} could not be opened again after a failed write. Is its disk still there?`, error)
    }
    this.#suspect = false
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
