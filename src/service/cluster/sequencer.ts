import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { utf8 } from '../../base/bytes.ts'
import type { TakenEvent } from '../../log/intake.ts'
import type { KafkaRecord } from '../../log/kafka/client.ts'
import { type IntakeFault, type IntakeJob, readIntake } from '../../log/kafka/intake-record.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import type { Partition } from '../../log/kafka/partition.ts'
import type { Sender } from '../../log/kafka/sender.ts'
import { LogUnreadable, WriteUnknown } from '../../log/port.ts'
import type { ClusterMetrics } from './metrics.ts'
import { OwnedLoop, type OwnedWork } from './owned-loop.ts'
import { type Held, makeStep, type PlacedJob, type StepOptions } from './step.ts'

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
/** How often it is looked whether the key of a ledger is at hand now. */
const stuckRetryMs = 3_000
/** What is kept of a record that is not taken, bytes: its whole may be more than the topic takes. */
const buriedBytesMax = 64 << 10
/** How long a step waits for what is not taken to be kept. */
const buryMsMax = 5_000
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
  /** Ledgers that can't be written, by the first event of each, which stands at `from` or behind. */
  #stuck: { readonly from: number; readonly ledgers: Map<string, TakenEvent> } | undefined
  #triedAtMs = 0
  #trimmed = { intake: 0, atMs: performance.now() }

  constructor(options: PartitionSequencerOptions) {
    this.#options = options
    this.loop = new OwnedLoop(this)
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
    const { low, end } = await log.intakeBounds(partition.number)
    if (placed > end) throw new LogUnreadable(intakeGoneDetail(`${log.topics.intake}/${partition.number}`, end, placed))
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
    const { jobs, next, faulty } = await this.#gather()
    if (this.#lost !== undefined) throw new Error('Intake can not be read from there any more.', { cause: this.#lost })
    if (jobs.length === 0 && next === undefined) return
    const { partition, metrics, headOf } = this.#options
    const taken = jobs.filter(({ job }) => this.#stuck?.ledgers.has(job.ledger) !== true)
    const { batches, nowhere, stuck } = await makeStep(this.#options, taken)
    for (const { offset, job } of nowhere) faulty.push({ reason: 'ledger-unknown', offset, value: textsOf(job) })
    await this.#bury(faulty)
    for (const [ledger, held] of stuck) this.#hold(ledger, held)
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

  /**
   * Records for one step, decoded; `next` is the offset behind them, `faulty` what of them is not taken. What the ledger says of
   * itself goes alone.
   */
  async #gather(): Promise<{ readonly jobs: PlacedJob[]; readonly next?: number; readonly faulty: Faulty[] }> {
    if (this.#waiting.length === 0) await this.loop.idle(idleMs)
    const { prefix, intakeKey, partition } = this.#options
    const jobs: PlacedJob[] = []
    const faulty: Faulty[] = []
    let events = 0
    let bytes = 0
    let count = 0
    for (const record of this.#waiting) {
      if (events >= stepEventsMax || bytes >= stepBytesMax) break
      const job = readIntake(prefix, partition.number, intakeKey, record)
      const isFault = typeof job === 'string'
      if (!isFault && job.isOwn && jobs.length > 0) break
      count += 1
      bytes += record.value.length
      if (isFault) {
        faulty.push({ reason: job, offset: record.offset, value: record.value })
        continue
      }
      jobs.push({ offset: record.offset, job })
      events += job.events.length
      if (job.isOwn) break
    }
    const last = this.#waiting.splice(0, count).at(-1)
    if (last === undefined) return { jobs, faulty }
    this.#next = last.offset + 1
    return { jobs, next: this.#next, faulty }
  }

  /**
   * Keeps what is not taken where somebody can look at it, and says so. That it can't be kept is said, too, and keeps nothing
   * from its place: what nobody vouches for stops no ledger.
   */
  async #bury(faulty: readonly Faulty[]): Promise<void> {
    if (faulty.length === 0) return
    const { dead, log, partition, metrics, logger } = this.#options
    const kept = faulty.map(async ({ reason, offset, value }) => {
      const from = `${log.topics.intake}/${partition.number}/${offset}`
      metrics.dead.inc({ reason })
      logger.error({ reason, from }, 'a record of intake is not taken; the dead-letter topic is to keep it')
      const headers = {
        ...{ reason: utf8(reason), from: utf8(from), bytes: utf8(String(value.length)) },
        sha256: this.#options.suite.sha256(value),
      }
      const record = {
        topic: log.topics.dead,
        partition: 0,
        key: from,
        value: value.subarray(0, buriedBytesMax),
        headers,
      }
      await dead.send([record]).catch((error: unknown) => {
        logger.error({ err: error, reason, from }, 'a record of intake that is not taken could not be kept')
      })
    })
    await Promise.race([Promise.all(kept), sleep(buryMsMax, undefined, { ref: false })])
  }

  /** Leaves a ledger's jobs in intake: nothing is lost, the other ledgers go on, and these are read again later. */
  #hold(ledger: string, { offset, first, fault }: Held): void {
    const { logger, partition } = this.#options
    const why = fault.message
    logger.error({ ledger, partition: partition.number, why }, 'a ledger can not be written; its events wait in intake')
    const { from, ledgers } = this.#stuck ?? { from: offset, ledgers: new Map() }
    this.#stuck = { from: Math.min(from, offset), ledgers: ledgers.set(ledger, first) }
    this.#triedAtMs = performance.now()
    this.loop.trouble = `${ledger}: ${why}`
  }

  /** Whether one of them may be written now, as far as that can be told without reading its events again. */
  #isFree(): boolean {
    return [...(this.#stuck?.ledgers ?? [])].some(([ledger, first]) => {
      try {
        return this.#options.signerOf(ledger, first) !== undefined
      } catch {
        return false
      }
    })
  }

  /** Upkeep between steps: goes back for stuck ledgers, once there is a key, and lets go of what is placed. */
  async #look(): Promise<void> {
    const { log, partition, logger } = this.#options
    const now = performance.now()
    if (this.#stuck !== undefined && now - this.#triedAtMs > stuckRetryMs) {
      this.#triedAtMs = now
      if (this.#isFree()) {
        this.loop.trouble = undefined
        this.#readFrom(this.#stuck.from)
      }
    }
    const placed = log.placed(partition.number)
    if (now - this.#trimmed.atMs < trimMs || placed === this.#trimmed.intake) return
    this.#trimmed = { intake: placed, atMs: now }
    const place = { topic: log.topics.intake, partition: partition.number }
    log.client.trim(place, placed).catch((error: unknown) => logger.warn({ err: error }, 'intake could not be trimmed'))
  }
}

const idleMs = 500

const intakeGoneDetail = (place: string, end: number, placed: number): string =>
  `${place} ends at ${end}, and was placed up to ${placed}: it was cut off or made anew, and what comes now would be taken for placed. ` +
  'Nothing that was acknowledged is gone: carry the ledgers to topics of another prefix with aep-ledger copy.'

/** A record of intake that gets no place. */
interface Faulty {
  readonly reason: IntakeFault | 'ledger-unknown'
  readonly offset: number
  readonly value: Uint8Array
}

const textsOf = ({ ledger, events }: IntakeJob): Uint8Array =>
  utf8([JSON.stringify({ ledger }), ...events.map(({ canonical }) => canonical)].join('\n'))
