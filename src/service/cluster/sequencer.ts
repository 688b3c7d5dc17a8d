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
import { OwnedLoop, type OwnedWork } from './owned-loop.ts'
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
/** How often a ledger whose key was not at hand is tried again. */
const stuckRetryMs = 3_000
/** How often what is placed is let go from intake. */
const trimMs = 60_000

/**
 * The sequencer of one partition, while this process owns it: takes what stands in intake, in order, gives it its places and
 * writes it, one transaction after the other.
 */
export class PartitionSequencer implements OwnedWork {
  readonly loop: OwnedLoop
  readonly #options: PartitionSequencerOptions
  #waiting: KafkaRecord[] = []
  /** Why intake can't be read any further. */
  #lost: unknown
  /** Offset of intake that is taken next. */
  #next = 0
  #stuck: { readonly from: number; readonly ledgers: Set<string>; readonly sinceMs: number } | undefined
  #trimmed = { intake: 0, atMs: performance.now() }

  constructor(options: PartitionSequencerOptions) {
    this.#options = options
    this.loop = new OwnedLoop(this)
  }

  /** Records that were read of intake and wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Records of intake, in order; resolves when there is room for more. */
  async offer(records: readonly KafkaRecord[]): Promise<void> {
    for (const record of records) if (record.offset >= this.#next) this.#waiting.push(record)
    this.loop.wake()
    while (this.#waiting.length > waitingMax && this.loop.isMeant) await sleep(5)
  }

  /** Intake can't be read from where it was to be read on: this owner is a stale one, or records are gone. */
  lose(error: unknown): void {
    this.#lost = error
    this.loop.wake()
  }

  async takeOver(): Promise<void> {
    const { partition, logger, metrics } = this.#options
    const since = performance.now()
    await partition.own()
    this.#lost = undefined
    this.#readFrom(await this.#placed())
    const ms = performance.now() - since
    metrics.takeovers.inc({ partition: partition.number })
    metrics.takeoverSeconds.observe(ms / 1000)
    metrics.owned.set({ partition: partition.number }, 1)
    logger.info({ partition: partition.number, intake: this.#next, ms: Math.round(ms) }, 'a partition is owned')
  }

  async letGo(): Promise<void> {
    const { partition, log, metrics } = this.#options
    log.pauseIntake(partition.number)
    await partition.release()
    metrics.owned.set({ partition: partition.number }, 0)
  }

  isFenced(): boolean {
    return this.#options.partition.isFenced
  }

  failed(error: unknown, retryInMs: number): void {
    const { partition, logger, metrics } = this.#options
    if (error instanceof WriteUnknown) metrics.unknown.inc()
    logger.warn({ err: error, partition: partition.number, retryInMs }, 'a partition could not be written')
  }

  fenced(): void {
    const { partition, logger, metrics } = this.#options
    metrics.fenced.inc({ partition: partition.number })
    logger.warn({ partition: partition.number }, 'another process owns the partition now')
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

  async step(): Promise<void> {
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
    if (this.#waiting.length === 0) await this.loop.idle(idleMs)
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
    this.loop.trouble = `${ledger}: ${why}`
  }

  /** Upkeep between steps: tries stuck ledgers again, and lets go of what is placed. */
  async #look(): Promise<void> {
    const { log, partition, logger } = this.#options
    const now = performance.now()
    if (this.#stuck !== undefined && now - this.#stuck.sinceMs > stuckRetryMs) {
      this.loop.trouble = undefined
      this.#readFrom(this.#stuck.from)
    }
    const placed = log.placed(partition.number)
    if (now - this.#trimmed.atMs < trimMs || placed === this.#trimmed.intake) return
    this.#trimmed = { intake: placed, atMs: now }
    const place = { topic: log.topics.intake, partition: partition.number }
    log.client.trim(place, placed).catch((error: unknown) => logger.warn({ err: error }, 'intake could not be trimmed'))
  }
}

const idleMs = 500
