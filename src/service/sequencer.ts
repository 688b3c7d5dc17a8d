import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../base/fault.ts'
import type { Suite } from '../crypto/suite.ts'
import { type Head, leafHashOf, type Seq, type StoredEntry } from '../ledger/entry.ts'
import { emptyHead, type Sealed, seal } from '../ledger/seal.ts'
import type { Placement, TakenEvent } from '../log/intake.ts'
import { type LedgerLog, NotWritten, WriteUnknown } from '../log/port.ts'
import { holdsEvent, placementOf } from './answers.ts'
import type { OnConflict, Placing } from './placing.ts'
import type { Signer } from './signer.ts'

export interface SequencerOptions {
  readonly log: LedgerLog
  readonly suite: Suite
  /** The signer of a ledger's next entry; throws a `Fault` when its private key is not at hand. */
  readonly signerOf: (ledger: string) => Signer
  /** Heads of all ledgers at start. */
  readonly heads: ReadonlyMap<string, Head>
  /** Events that may wait at once, over all ledgers. */
  readonly queueEventsMax: number
  /** Events that one append takes at most, unless a single call brings more. */
  readonly batchEventsMax: number
  /** Called after a batch is durable and before anybody is answered; must not throw. */
  readonly onAppended: (ledger: string, entries: readonly StoredEntry[]) => void
  /** Called for each event whose identity was taken by other content; must not throw. */
  readonly onConflict: OnConflict
}

interface Job {
  readonly events: readonly TakenEvent[]
  /** Nothing else goes into this job's batch: it may change the key that signs the next. */
  readonly alone: boolean
  readonly resolve: (placements: readonly Placement[]) => void
  readonly reject: (error: unknown) => void
}

type Created = Extract<Placement, { status: 'created' | 'duplicate' }>
/** An event of a batch: placed long before, or one with the identity of the fresh event at `index`. */
type Step = Placement | { readonly index: number; readonly says: 'first' | 'same' | 'other' }

/**
 * The sequencer of an embedded log: gives every event its place, in one loop that takes what has gathered meanwhile,
 * makes one durable write of it, and answers only then (group commit). Ledgers take turns, so that a busy one does not
 * starve the others. One instance a log: the log's own lock sees to that.
 *
 * What it believes of a ledger is the head it last wrote. After `WriteUnknown` it believes nothing: it reads the head
 * back, and where neither the old head nor the new one is found it takes no more events.
 */
export class Sequencer implements Placing {
  readonly #options: SequencerOptions
  readonly #heads: Map<string, Head>
  readonly #queues = new Map<string, Job[]>()
  #queued = 0
  #running: Promise<void> | undefined
  #stopping = false
  #broken: string | undefined
  #unsure: string | undefined
  #failing: { readonly detail: string | undefined; readonly atMs: number } = { detail: undefined, atMs: 0 }

  constructor(options: SequencerOptions) {
    this.#options = options
    this.#heads = new Map(options.heads)
  }

  /** Events that wait for a place now. */
  get queued(): number {
    return this.#queued
  }

  /** Whether events are being placed. */
  get busy(): boolean {
    return this.#running !== undefined
  }

  /**
   * Why events can't be placed now, if so: for good where it stopped; else until the log can say where it stands, or
   * until a write succeeds or it is time to let senders try again, for nothing else would show that there is room on the disk.
   */
  get trouble(): string | undefined {
    const isRecent = performance.now() - this.#failing.atMs < troubleMs
    return this.#broken ?? this.#unsure ?? (isRecent ? this.#failing.detail : undefined)
  }

  head(ledger: string): Head | undefined {
    return this.#heads.get(ledger)
  }

  ledgers(): readonly string[] {
    return [...this.#heads.keys()].sort()
  }

  submit(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]> {
    if (!this.#heads.has(ledger)) return Promise.reject(new Fault('ledger-unknown', `There is no ledger ${ledger}.`))
    return this.#enqueue(ledger, events, false)
  }

  /** Places entries of the ledger's own, in a batch of their own; the first makes the ledger. */
  submitOwn(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]> {
    return this.#enqueue(ledger, events, true)
  }

  /** Takes nothing more, and resolves when all that was taken is placed. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  #enqueue(ledger: string, events: readonly TakenEvent[], alone: boolean): Promise<readonly Placement[]> {
    if (this.#broken !== undefined) return Promise.reject(new Fault('log-unavailable', this.#broken))
    if (this.#stopping) return Promise.reject(new Fault('shutting-down', 'The service is stopping.'))
    if (this.#queued + events.length > this.#options.queueEventsMax && this.#queued > 0) {
      return Promise.reject(new Fault('overloaded', `${this.#queued} events wait for a place already.`))
    }
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(ledger) ?? []
      queue.push({ events, alone, resolve, reject })
      this.#queues.set(ledger, queue)
      this.#queued += events.length
      this.#running ??= this.#run()
    })
  }

  async #run(): Promise<void> {
    // A turn of the event loop lets requests that arrived together travel in one batch.
    await new Promise(setImmediate)
    while (this.#queues.size > 0) {
      for (const ledger of [...this.#queues.keys()]) {
        const jobs = this.#take(ledger)
        await this.#place(ledger, jobs)
      }
    }
    // In the same turn as the look at the queues: what is queued from here on starts the loop anew.
    this.#running = undefined
  }

  #take(ledger: string): Job[] {
    const queue = this.#queues.get(ledger) ?? []
    const jobs: Job[] = []
    let events = 0
    for (const job of queue) {
      const full = events + job.events.length > this.#options.batchEventsMax
      if (jobs.length > 0 && (full || job.alone || jobs[0]?.alone === true)) break
      jobs.push(job)
      events += job.events.length
    }
    queue.splice(0, jobs.length)
    if (queue.length === 0) this.#queues.delete(ledger)
    this.#queued -= events
    return jobs
  }

  async #place(ledger: string, jobs: readonly Job[]): Promise<void> {
    try {
      const placements = await this.#placeAll(
        ledger,
        jobs.flatMap(job => job.events),
      )
      let at = 0
      for (const job of jobs) {
        job.resolve(placements.slice(at, at + job.events.length))
        at += job.events.length
      }
    } catch (error) {
      const fault = error instanceof Fault ? error : faultOf(error)
      if (fault.code === 'log-unavailable') {
        this.#failing = { detail: fault.message, atMs: performance.now() }
      }
      for (const job of jobs) job.reject(fault)
    }
  }

  async #placeAll(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]> {
    const { plan, fresh } = await this.#plan(ledger, events)
    const created = await this.#append(ledger, fresh)
    return plan.map((step, n) => {
      if ('status' in step) return step
      const placement = created[step.index]
      const event = events[n]
      if (placement === undefined || event === undefined) throw new Error(`no placement for event ${n}`)
      if (step.says === 'first') return placement
      if (step.says === 'same') return { ...placement, status: 'duplicate' }
      this.#options.onConflict(ledger, event, placement.seq)
      return { status: 'conflict', seq: placement.seq, leafHash: placement.leafHash }
    })
  }

  /** For each event the placement it has already, or which of the `fresh` events has its identity. */
  async #plan(ledger: string, events: readonly TakenEvent[]): Promise<{ plan: Step[]; fresh: TakenEvent[] }> {
    const found = this.#heads.has(ledger) ? await this.#options.log.find(ledger, events) : []
    const fresh: TakenEvent[] = []
    const indexOf = new Map<string, number>()
    const plan: Step[] = []
    for (const [n, event] of events.entries()) {
      const seq = found[n]
      if (seq !== undefined) {
        plan.push(await this.#placedBefore(ledger, event, seq))
        continue
      }
      const identity = JSON.stringify([event.source, event.id])
      const index = indexOf.get(identity)
      if (index === undefined) {
        indexOf.set(identity, fresh.length)
        plan.push({ index: fresh.length, says: 'first' })
        fresh.push(event)
      } else plan.push({ index, says: fresh[index]?.canonical === event.canonical ? 'same' : 'other' })
    }
    return { plan, fresh }
  }

  async #placedBefore(ledger: string, event: TakenEvent, seq: Seq): Promise<Placement> {
    const [stored] = await this.#options.log.read(ledger, seq, 1)
    if (stored === undefined) throw new Error(`the log names ${ledger} ${seq} and does not hold it`)
    const { suite, onConflict } = this.#options
    if (holdsEvent(stored, event)) return placementOf(suite, 'duplicate', stored)
    onConflict(ledger, event, seq)
    return { status: 'conflict', seq, leafHash: leafHashOf(suite, stored.bytes) }
  }

  async #append(ledger: string, fresh: readonly TakenEvent[]): Promise<readonly Created[]> {
    const [first, ...others] = fresh
    if (first === undefined) return []
    const { log, suite, signerOf } = this.#options
    const before = this.#heads.get(ledger) ?? emptyHead
    const signer = signerOf(ledger)
    const step = seal(suite, before, { ledger, keyId: signer.keyId }, [first, ...others])
    const signatures = await signer.sign(step.entries.map(entry => entry.bytes))
    const entries = step.entries.map((entry, n) => stored(entry, signatures[n]))
    try {
      await log.append({ ledger, entries, ids: fresh, after: before, head: step.head })
    } catch (error) {
      if (!(error instanceof WriteUnknown)) throw error
      await this.#readBack(ledger, before, step.head, error)
    }
    this.#failing = { detail: undefined, atMs: 0 }
    this.#heads.set(ledger, step.head)
    this.#options.onAppended(ledger, entries)
    return step.entries.map((entry, n) => ({
      status: 'created',
      seq: entry.seq,
      leafHash: entry.leafHash,
      recordedAt: entry.recordedAt,
      keyId: signer.keyId,
      signature: stored(entry, signatures[n]).signature,
    }))
  }

  /** Answers "not known whether written" from the log itself; returns when it is written. */
  async #readBack(ledger: string, before: Head, after: Head, error: WriteUnknown): Promise<void> {
    const found = await this.#headNow(ledger, error)
    if (found.seq === after.seq && found.leafHash === after.leafHash) return
    if (found.seq === before.seq && found.leafHash === before.leafHash) {
      throw new NotWritten('failed', 'The batch was not written.', error)
    }
    this.#broken = `The log of ${ledger} ends at seq ${found.seq}, which is neither where the last write began nor where it was to end. Stop the service and run aep-ledger verify on its data.`
    throw new Fault('log-unavailable', this.#broken, [], error)
  }

  /** Asks until the log can say, however long that takes, for nothing may be written before; or until it is to stop. */
  async #headNow(ledger: string, error: WriteUnknown): Promise<Head> {
    for (let waitMs = readBackWaitMsMin; ; waitMs = Math.min(2 * waitMs, readBackWaitMsMax)) {
      try {
        const head = (await this.#options.log.head(ledger)) ?? emptyHead
        this.#unsure = undefined
        return head
      } catch {
        this.#unsure = `The log can't say whether its last write to ${ledger} is there; it is asked again.`
        if (this.#stopping) throw new Fault('log-unavailable', this.#unsure, [], error)
        await sleep(waitMs)
      }
    }
  }
}

/** How long a failed write counts as trouble. */
const troubleMs = 5_000

/** How long it waits before a log that can't say where it stands is asked again: longer each time. */
const readBackWaitMsMin = 20
const readBackWaitMsMax = 2_000

const stored = (entry: Sealed, signature: Uint8Array | undefined): StoredEntry => {
  if (signature === undefined) throw new Error(`no signature for seq ${entry.seq}`)
  return { seq: entry.seq, bytes: entry.bytes, signature }
}

function faultOf(error: unknown): Fault {
  if (!(error instanceof NotWritten)) return new Fault('internal', 'The events could not be placed.', [], error)
  const advice: Record<NotWritten['reason'], string> = {
    full: 'The disk of the ledger is full; nothing was written.',
    'read-only': 'The folder of the ledger is read-only; nothing was written.',
    'head-moved': 'Another writer has moved the head of the ledger; nothing was written.',
    closed: `${error.message} Nothing was written.`,
    failed: 'The write failed; nothing was written.',
  }
  return new Fault('log-unavailable', advice[error.reason], [], error)
}
