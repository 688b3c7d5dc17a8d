import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { utf8 } from '../../base/bytes.ts'
import type { KafkaRecord } from '../../log/kafka/client.ts'
import { type IntakeFault, readIntake } from '../../log/kafka/intake-record.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import type { Partition } from '../../log/kafka/partition.ts'
import type { Sender } from '../../log/kafka/sender.ts'
import { WriteUnknown } from '../../log/port.ts'
import type { ClusterMetrics } from './metrics.ts'
import type { Owned, Standing } from './owners.ts'
import { makeStep, type PlacedJob, type StepOptions } from './step.ts'

export interface PartitionSequencerOptions extends StepOptions {
  readonly log: KafkaLog
  readonly partition: Partition
  readonly prefix: string
  readonly intakeKey: Uint8Array
  /** Where records of intake go that are not taken. */
  readonly dead: Sender
  readonly metrics: ClusterMetrics
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Events that one step takes at most, unless a single record brings more; and bytes of their records. */
const stepEventsMax = 1_000
const stepBytesMax = 2 << 20
/** Records that were read of intake and wait; with more of them, reading rests. */
const waitingMax = 4_000
const retryMsMin = 50
const retryMsMax = 5_000
/** How often a ledger whose key was not at hand is tried again. */
const stuckRetryMs = 3_000
/** How often what is placed is let go from intake. */
const trimMs = 60_000

/**
 * The sequencer of one partition, while this process owns it: takes what stands in intake, in order, gives it its places and
 * writes it, one transaction after the other. What it believes is what was read back after the partition was taken over; any
 * doubt ends in taking it over again. A process that was fenced stays off until it is told to start again.
 */
export class PartitionSequencer implements Owned {
  readonly #options: PartitionSequencerOptions
  #standing: Standing = 'stopped'
  #running: Promise<void> = Promise.resolve()
  /** Counts the times that it was told to start or stop; a loop ends when its time is over. */
  #turn = 0
  #isMeant = false
  #fencedAtMs = 0
  #trouble: string | undefined
  #waiting: KafkaRecord[] = []
  /** Why intake can't be read any further. */
  #lost: unknown
  /** Offset of intake that is taken next. */
  #next = 0
  #wake: () => void = () => {}
  #stuck: { readonly from: number; readonly ledgers: Set<string>; readonly sinceMs: number } | undefined
  #trimmed = { intake: 0, atMs: performance.now() }

  constructor(options: PartitionSequencerOptions) {
    this.#options = options
  }

  get standing(): Standing {
    return this.#standing
  }

  /** When another process took the partition over, by `performance.now()`. */
  get fencedAtMs(): number {
    return this.#fencedAtMs
  }

  /** What keeps it from placing, if anything does. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Records that were read of intake and wait. */
  get waiting(): number {
    return this.#waiting.length
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
    this.#wake()
    await this.#running
  }

  /** Records of intake, in order; resolves when there is room for more. */
  async offer(records: readonly KafkaRecord[]): Promise<void> {
    for (const record of records) if (record.offset >= this.#next) this.#waiting.push(record)
    this.#wake()
    while (this.#waiting.length > waitingMax && this.#isMeant) await sleep(5)
  }

  /** Intake can't be read from where it was to be read on: this owner is a stale one, or records are gone. */
  lose(error: unknown): void {
    this.#lost = error
    this.#wake()
  }

  async #run(turn: number): Promise<void> {
    const { partition, log, logger, metrics } = this.#options
    for (let waitMs = retryMsMin; this.#turn === turn; waitMs = Math.min(2 * waitMs, retryMsMax)) {
      try {
        await this.#takeOver()
        while (this.#turn === turn) {
          await this.#placeNext()
          waitMs = retryMsMin
        }
      } catch (error) {
        log.pauseIntake(partition.number)
        if (error instanceof WriteUnknown) metrics.unknown.inc()
        this.#trouble = (error as Error).message
        if (partition.isFenced) {
          metrics.fenced.inc({ partition: partition.number })
          logger.warn({ partition: partition.number }, 'another process owns the partition now')
          this.#standing = 'fenced'
          this.#fencedAtMs = performance.now()
          break
        }
        this.#standing = 'failing'
        logger.warn({ err: error, partition: partition.number, retryInMs: waitMs }, 'a partition could not be written')
        await this.#rest(waitMs)
      }
    }
    log.pauseIntake(partition.number)
    await partition.release()
    metrics.owned.set({ partition: partition.number }, 0)
    if (this.#turn !== turn && !this.#isMeant) this.#standing = 'stopped'
  }

  async #takeOver(): Promise<void> {
    const { partition, logger, metrics } = this.#options
    this.#standing = 'taking-over'
    const since = performance.now()
    await partition.own()
    this.#lost = undefined
    this.#readFrom(await this.#placed())
    const ms = performance.now() - since
    this.#standing = 'owned'
    this.#trouble = undefined
    metrics.takeovers.inc({ partition: partition.number })
    metrics.takeoverSeconds.observe(ms / 1000)
    metrics.owned.set({ partition: partition.number }, 1)
    logger.info({ partition: partition.number, intake: this.#next, ms: Math.round(ms) }, 'a partition is owned')
  }

  /**
   * Where intake goes on. Records that are gone before they were placed were never answered, so that whoever sent them sends
   * them again: it goes on behind them, and says so.
   */
  async #placed(): Promise<number> {
    const { log, partition, metrics, logger } = this.#options
    const placed = log.placed(partition.number)
    const { low } = await log.intakeBounds(partition.number)
    if (placed >= low) return placed
    metrics.dead.inc({ reason: 'lost' }, low - placed)
    logger.error(
      { partition: partition.number, from: placed, to: low },
      'records of intake are gone before they were placed',
    )
    return low
  }

  #readFrom(offset: number): void {
    this.#waiting = []
    this.#next = offset
    this.#stuck = undefined
    this.#options.log.readIntake(this.#options.partition.number, offset)
  }

  async #placeNext(): Promise<void> {
    await this.#look()
    const { jobs, next } = await this.#gather()
    if (this.#lost !== undefined) throw new Error('Intake can not be read from there any more.', { cause: this.#lost })
    if (jobs.length === 0 && next === undefined) return
    const { partition, metrics, headOf } = this.#options
    const taken = jobs.filter(({ job }) => this.#stuck?.ledgers.has(job.ledger) !== true)
    const { batches, nowhere, stuck } = await makeStep(this.#options, taken)
    for (const { offset, job } of nowhere) await this.#bury('ledger-unknown', offset, utf8(job.ledger))
    for (const [ledger, { offset, fault }] of stuck) this.#hold(ledger, offset, fault.message)
    const intake = this.#stuck?.from ?? next
    // What is only passed over again, while a ledger is stuck, is written nowhere.
    if (batches.length === 0 && (intake === undefined || this.#stuck !== undefined)) return
    const since = performance.now()
    await partition.write({ batches, ...(intake !== undefined && { intake }) })
    metrics.transactionSeconds.observe((performance.now() - since) / 1000)
    metrics.transactionEntries.observe(batches.reduce((sum, { entries }) => sum + entries.length, 0))
    for (const { ledger, head } of batches) {
      if (headOf(ledger)?.seq !== head.seq) throw new Error(`the head of ${ledger} was not followed`)
    }
  }

  /** Records for one step, decoded; `next` is the offset behind them. What the ledger says of itself goes alone. */
  async #gather(): Promise<{ readonly jobs: PlacedJob[]; readonly next?: number }> {
    if (this.#waiting.length === 0) await this.#rest(idleMs)
    const { prefix, intakeKey, partition } = this.#options
    const jobs: PlacedJob[] = []
    let events = 0
    let bytes = 0
    let count = 0
    for (const record of this.#waiting) {
      if (events >= stepEventsMax || bytes >= stepBytesMax) break
      const job = readIntake(prefix, partition.number, intakeKey, record)
      if (typeof job === 'string') {
        await this.#bury(job, record.offset, record.value)
        count += 1
        continue
      }
      if (job.isOwn && jobs.length > 0) break
      count += 1
      jobs.push({ offset: record.offset, job })
      events += job.events.length
      bytes += record.value.length
      if (job.isOwn) break
    }
    const last = this.#waiting.splice(0, count).at(-1)
    if (last === undefined) return { jobs }
    this.#next = last.offset + 1
    return { jobs, next: this.#next }
  }

  /** Keeps what is not taken where somebody can look at it, and says so. */
  async #bury(reason: IntakeFault | 'ledger-unknown', offset: number, value: Uint8Array): Promise<void> {
    const { dead, log, partition, metrics, logger } = this.#options
    const from = `${log.topics.intake}/${partition.number}/${offset}`
    metrics.dead.inc({ reason })
    logger.error({ reason, from }, 'a record of intake is not taken; it is kept in the dead-letter topic')
    await dead.send([
      { topic: log.topics.dead, partition: 0, key: from, value, headers: { reason: utf8(reason), from: utf8(from) } },
    ])
  }

  /** Leaves a ledger's jobs in intake: nothing is lost, the other ledgers go on, and these are read again later. */
  #hold(ledger: string, offset: number, why: string): void {
    const { logger, partition } = this.#options
    logger.error({ ledger, partition: partition.number, why }, 'a ledger can not be written; its events wait in intake')
    const { from, ledgers, sinceMs } = this.#stuck ?? { from: offset, ledgers: new Set(), sinceMs: performance.now() }
    ledgers.add(ledger)
    this.#stuck = { from: Math.min(from, offset), ledgers, sinceMs }
    this.#trouble = `${ledger}: ${why}`
  }

  /** Upkeep between steps: tries stuck ledgers again, and lets go of what is placed. */
  async #look(): Promise<void> {
    const { log, partition, logger } = this.#options
    const now = performance.now()
    if (this.#stuck !== undefined && now - this.#stuck.sinceMs > stuckRetryMs) {
      this.#trouble = undefined
      this.#readFrom(this.#stuck.from)
    }
    const placed = log.placed(partition.number)
    if (now - this.#trimmed.atMs < trimMs || placed === this.#trimmed.intake) return
    this.#trimmed = { intake: placed, atMs: now }
    const place = { topic: log.topics.intake, partition: partition.number }
    log.client.trim(place, placed).catch((error: unknown) => logger.warn({ err: error }, 'intake could not be trimmed'))
  }

  /** Sleeps until there is something to do, or `ms` are over. */
  #rest(ms: number): Promise<void> {
    if (!this.#isMeant) return Promise.resolve()
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.#wake = end
    })
  }
}

const idleMs = 500
