import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../base/fault.ts'
import type { Head, StoredEntry } from '../../ledger/entry.ts'
import type { Placement, TakenEvent } from '../../log/intake.ts'
import { IntakeSender } from '../../log/kafka/intake-sender.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import type { PlacedBatch } from '../../log/kafka/records.ts'
import { identityText } from '../../log/port.ts'
import { type AnswerOptions, answersFor } from '../answers.ts'
import type { Placing } from '../placing.ts'
import { Waits } from './waits.ts'

export interface ClusterIntakeOptions extends AnswerOptions {
  readonly log: KafkaLog
  readonly prefix: string
  /** Authenticates what this node puts into intake; every process of the installation has the same. */
  readonly intakeKey: Uint8Array
  /** Heads of all ledgers, kept up by whoever follows the log. */
  readonly heads: ReadonlyMap<string, Head>
  /** Events that may wait at once. */
  readonly queueEventsMax: number
  /** How long a request waits for its places; after that nobody waits for the answer. */
  readonly waitMs: number
}

interface Pending {
  readonly ledger: string
  readonly events: readonly TakenEvent[]
  /** Identities in it that had no place when it was sent: no more of it can come of its records. */
  readonly fresh: number
  /** Of its intake records. */
  readonly offsets: readonly number[]
  readonly timer: NodeJS.Timeout
  /** Entries that came of its records, by identity. */
  readonly created: Map<string, StoredEntry>
  readonly resolve: (placements: Promise<readonly Placement[]>) => void
}

interface Side {
  readonly sender: IntakeSender
  /** By the offset of each of its records. */
  readonly byOffset: Map<number, Pending>
  readonly waits: Waits
  /** Events that wait for a place. */
  queued: number
  /** Sends under way. */
  sending: number
  /** Entries whose intake record this node has not been told the offset of: it may be one of those under way. */
  early: Map<number, [identity: string, stored: StoredEntry][]>
}

/** How long a failed send counts as trouble. */
const troubleMs = 5_000
/** How long nothing may come of what waits of a ledger before it is told of: longer than a take-over. */
const stalledMsMax = 10_000
/** How long the end waits for what was taken to be placed. */
const endMsMax = 5_000

/**
 * The way to the sequencers from a process that takes events in. Events go into the intake topic; what became of them is
 * read from the ledger topic, as this process follows it anyway: an entry says which intake record it came from. So nothing
 * is sent back, no sequencer knows who waits, and no answer can be lost.
 */
export class ClusterIntake implements Placing {
  readonly #options: ClusterIntakeOptions
  readonly #sides: readonly Side[]
  #queued = 0
  #stopping = false
  #failed: { readonly detail: string; readonly atMs: number } | undefined

  constructor(options: ClusterIntakeOptions) {
    this.#options = options
    const { log, prefix, intakeKey } = options
    this.#sides = log.partitions.map(({ number: partition }) => ({
      sender: new IntakeSender(log.client, { topic: log.topics.intake, partition }, prefix, intakeKey),
      byOffset: new Map(),
      waits: new Waits(),
      queued: 0,
      sending: 0,
      early: new Map(),
    }))
  }

  get queued(): number {
    return this.#queued
  }

  get busy(): boolean {
    return this.#queued > 0
  }

  get trouble(): string | undefined {
    const { trouble } = this.#options.log
    if (trouble !== undefined) return trouble instanceof Error ? trouble.message : String(trouble)
    const nowMs = performance.now()
    if (this.#failed !== undefined && nowMs - this.#failed.atMs < troubleMs) return this.#failed.detail
    return undefined
  }

  /** Ledgers whose events get no places, while others may; `undefined` where there is none. */
  get stalled(): string | undefined {
    for (const [partition, { waits }] of this.#sides.entries()) {
      const { ledger = '', ms = 0 } = waits.longest() ?? {}
      if (ms > stalledMsMax)
        return `nothing of ${ledger} was placed for ${seconds(ms)}: does a sequencer own partition ${partition}, and have its key?`
    }
    return undefined
  }

  head(ledger: string): Head | undefined {
    return this.#options.heads.get(ledger)
  }

  ledgers(): readonly string[] {
    return [...this.#options.heads.keys()].sort()
  }

  submit(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]> {
    if (this.head(ledger) === undefined) {
      return Promise.reject(new Fault('ledger-unknown', `There is no ledger ${ledger}.`))
    }
    return this.#submit(ledger, events, false)
  }

  submitOwn(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]> {
    return this.#submit(ledger, events, true)
  }

  async #submit(ledger: string, events: readonly TakenEvent[], isOwn: boolean): Promise<readonly Placement[]> {
    if (this.#stopping) throw new Fault('shutting-down', 'The service is stopping.')
    const { number } = this.#options.log.partitionOf(ledger)
    const side = this.#side(number)
    this.#checkRoom(side, ledger, events.length)
    this.#queued += events.length
    side.queued += events.length
    try {
      // What came before is answered here: nothing of it has to go anywhere.
      const found = await this.#options.log.find(ledger, events)
      if (found.every(seq => seq !== undefined)) return await answersFor(this.#options, ledger, events, noEntries)
      const stalledMs = side.waits.stalledMs(ledger)
      // One request at a time tries it, or each of them would leave another copy of its events in intake.
      if (stalledMs > stalledMsMax) throw new Fault('log-unavailable', stalledDetail(ledger, stalledMs))
      const fresh = new Set(events.filter((_, n) => found[n] === undefined).map(identityText))
      side.waits.begin(ledger)
      return await this.#place(ledger, events, isOwn, fresh.size)
    } finally {
      this.#queued -= events.length
      side.queued -= events.length
    }
  }

  /** Throws `overloaded` where too much waits. One partition may take half of the room, so that others go on while it stands still. */
  #checkRoom(side: Side, ledger: string, count: number): void {
    const { queueEventsMax } = this.#options
    const ownMax = this.#sides.length === 1 ? queueEventsMax : queueEventsMax / 2
    if (this.#queued + count > queueEventsMax && this.#queued > 0)
      throw new Fault('overloaded', `${this.#queued} events wait for a place already.`)
    if (side.queued + count > ownMax && side.queued > 0)
      throw new Fault('overloaded', `${side.queued} events of ${ledger} and its partition wait for a place already.`)
  }

  async #place(
    ledger: string,
    events: readonly TakenEvent[],
    isOwn: boolean,
    fresh: number,
  ): Promise<readonly Placement[]> {
    const { log } = this.#options
    const { number } = log.partitionOf(ledger)
    const side = this.#side(number)
    side.sending += 1
    try {
      const offsets = await side.sender.put({ ledger, events, isOwn })
      side.waits.sent(ledger, offsets.at(-1) ?? -1)
      return await new Promise<readonly Placement[]>(resolve => {
        const pending: Pending = {
          ledger,
          events,
          fresh,
          offsets,
          timer: setTimeout(() => this.#giveUp(side, pending), this.#options.waitMs),
          created: new Map(),
          resolve,
        }
        for (const offset of offsets) {
          for (const [identity, stored] of side.early.get(offset) ?? []) pending.created.set(identity, stored)
          side.byOffset.set(offset, pending)
        }
        // One send is outstanding, in order: nothing up to here can be asked for any more.
        for (const origin of side.early.keys()) if (origin <= (offsets.at(-1) ?? 0)) side.early.delete(origin)
        this.#sent(side)
        this.#settle(side, pending, log.placed(number))
      })
    } catch (error) {
      side.waits.givenUp(ledger)
      this.#sent(side)
      if (error instanceof Fault) throw error
      const detail = `Kafka gave no answer (${(error as Error).message}): the events may or may not have their places. Send the same request again.`
      this.#failed = { detail, atMs: performance.now() }
      throw new Fault('log-unavailable', detail, [], error)
    }
  }

  #sent(side: Side): void {
    side.sending -= 1
    if (side.sending === 0) side.early = new Map()
  }

  /** A batch came to stand in the replica. */
  kept(partition: number, { entries, ids, origins }: PlacedBatch): void {
    const side = this.#sides[partition]
    if (origins === undefined || side === undefined) return
    const touched = new Set<Pending>()
    for (const [n, origin] of origins.entries()) {
      const stored = entries[n]
      const identity = ids[n]
      if (stored === undefined || identity === undefined) continue
      const pending = side.byOffset.get(origin)
      if (pending !== undefined) {
        pending.created.set(identityText(identity), stored)
        touched.add(pending)
      } else if (side.sending > 0) {
        const early = side.early.get(origin) ?? []
        early.push([identityText(identity), stored])
        side.early.set(origin, early)
      }
    }
    for (const pending of touched) this.#settle(side, pending, -1)
  }

  /** Everything of intake below `intake` is placed, or never will be. */
  placed(partition: number, intake: number): void {
    const side = this.#sides[partition]
    if (side === undefined) return
    side.waits.passed(intake)
    for (const [offset, pending] of side.byOffset) {
      if (offset >= intake) break
      this.#settle(side, pending, intake)
    }
  }

  /** Answers as soon as all of it is placed, or intake is placed beyond it. */
  #settle(side: Side, pending: Pending, intake: number): void {
    const { ledger, events, fresh, offsets, created, timer, resolve } = pending
    if (created.size < fresh && intake <= (offsets.at(-1) ?? 0)) return
    clearTimeout(timer)
    for (const offset of offsets) side.byOffset.delete(offset)
    side.waits.answered(ledger)
    this.#failed = undefined
    resolve(answersFor(this.#options, ledger, events, created))
  }

  /** Nobody waits for it any more; what it sent may be placed all the same. */
  #giveUp(side: Side, { ledger, offsets, resolve }: Pending): void {
    for (const offset of offsets) side.byOffset.delete(offset)
    side.waits.givenUp(ledger)
    resolve(Promise.reject(new Fault('log-unavailable', stalledDetail(ledger, this.#options.waitMs))))
  }

  #side(partition: number): Side {
    const side = this.#sides[partition]
    if (side === undefined) throw new RangeError(`There is no partition ${partition}.`)
    return side
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const untilMs = performance.now() + endMsMax
    while (this.#queued > 0 && performance.now() < untilMs) await sleep(10)
    await Promise.all(this.#sides.map(({ sender }) => sender.close()))
    // What was sent last is waited for by now, too.
    await nextTurn()
    for (const { byOffset } of this.#sides) {
      for (const { timer, resolve } of new Set(byOffset.values())) {
        clearTimeout(timer)
        resolve(Promise.reject(new Fault('log-unavailable', endDetail)))
      }
      byOffset.clear()
    }
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

const stalledDetail = (ledger: string, ms: number): string =>
  `Nothing of ${ledger} was placed for ${seconds(ms)}. The events may or may not have their places: send the same request again.`

const noEntries: ReadonlyMap<string, StoredEntry> = new Map()

const endDetail =
  'The service ended before the events had their places, which they may get all the same: send the same request again.'
