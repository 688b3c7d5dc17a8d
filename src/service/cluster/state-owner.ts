import type { Logger } from 'pino'
import type { StoredEntry } from '../../ledger/entry.ts'
import {
  CommitUnknown,
  Fenced,
  type KafkaClient,
  type KafkaWriter,
  type NewRecord,
  placeText,
} from '../../log/kafka/client.ts'
import { isRow, nameRecord, type StateStep, stateKey, stateRecords } from '../../log/kafka/state-records.ts'
import type { LogReader } from '../../log/port.ts'
import type { StateView } from '../state-view.ts'
import { OwnedLoop, type OwnedWork } from './owned-loop.ts'
import type { StateCopy } from './state-copy.ts'
import type { StateTopic } from './state-topic.ts'

export interface StateOwnerOptions {
  readonly client: Pick<KafkaClient, 'writer' | 'read' | 'bounds'>
  readonly partition: number
  readonly transactionalId: string
  readonly log: Pick<LogReader, 'read'>
  /** Last seq of a ledger in the replica; -1 before the first. */
  readonly headOf: (ledger: string) => number
  /** Ledgers of the partition that are known here. */
  readonly ledgersOf: (partition: number) => Iterable<string>
  readonly view: StateView
  readonly copy: StateCopy
  readonly topic: StateTopic
  /** Rest after a step, ms: fewer, larger transactions, and the machine left to ingest. */
  readonly restMs: number
  readonly onError: (error: unknown, retryInMs: number) => void
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/** Entries that one transaction folds at most, over all ledgers, and their bytes of one ledger. */
const stepEntriesMax = 1_000
const stepBytesMax = 4 << 20
/** Rows that one transaction takes away, when a ledger's rows are begun anew. */
const clearedMax = 2_000
const idleMs = 1_000
/** How often it looks whether somebody else has written, while it has nothing to write and so would not be told. */
const lookMs = 5_000

/** Transactional id of whoever writes the state of a partition. */
export const stateWriterId = (prefix: string, partition: number): string => `${prefix}.state-${partition}`

/**
 * Folds the state of one partition's ledgers and writes it to the state topic, while this process owns the partition: one
 * transaction a step, and only then the same rows here. What it folds on is what the topic holds: it takes the partition's
 * transactional id over, which fences whoever wrote before, and reads up to the end before it folds.
 */
export class StateOwner implements OwnedWork {
  readonly loop: OwnedLoop
  readonly #options: StateOwnerOptions
  #writer: KafkaWriter | undefined
  /** Offset at which the next record of ours has to stand, if nobody else wrote. */
  #next = 0
  #lookedAtMs = 0
  /** Ledger that the last transaction ended with: the next one begins behind it. */
  #last = ''

  constructor(options: StateOwnerOptions) {
    this.#options = options
    this.loop = new OwnedLoop(this)
  }

  async step(): Promise<void> {
    const folded = await this.#fold()
    if (folded === 0) {
      await this.loop.idle(idleMs)
      await this.#look()
    } else if (folded < stepEntriesMax) await this.loop.rest(this.#options.restMs)
  }

  /** Throws `Fenced` when there is more in the topic than it wrote: rows were mended, and are read before it goes on. */
  async #look(): Promise<void> {
    if (performance.now() < this.#lookedAtMs + lookMs) return
    const { client, partition, topic } = this.#options
    const { end } = await client.bounds(topic.place(partition))
    this.#lookedAtMs = performance.now()
    if (end > this.#next) throw new Fenced(`Somebody else wrote to the state of partition ${partition}.`)
  }

  async takeOver(isWanted: () => boolean): Promise<void> {
    const { client, partition, transactionalId, topic, copy, ledgersOf, logger } = this.#options
    const since = performance.now()
    this.#writer = await client.writer(transactionalId)
    this.#next = await topic.current(partition, isWanted)
    const { version } = copy
    const ahead = [...ledgersOf(partition)].filter(ledger => {
      const at = copy.at(ledger)
      return at?.version === version && at.position >= 0 && copy.position(ledger) > at.position
    })
    if (ahead.length > 0) {
      await copy.forget(partition, ledgersOf(partition), 0)
      for (const ledger of ahead) await copy.reset(ledger)
      this.#next = await topic.anew(partition, isWanted)
    }
    topic.pause(partition)
    await this.#name()
    await this.#beginAnew()
    const ms = Math.round(performance.now() - since)
    logger.info({ partition, offset: this.#next, ms }, 'the state of a partition is written here')
  }

  /** Gives the partition its name, if it has none: by it, readers know it from one that was made in its place. */
  async #name(): Promise<void> {
    const { partition, topic, copy } = this.#options
    if (copy.name(partition) !== undefined) return
    const record = nameRecord(topic.place(partition))
    const offset = this.#next
    this.#next = await this.#commit([record])
    await copy.take(partition, [{ ...record, offset, timestampMs: 0 }], this.#next)
  }

  /** Takes away what the topic has of ledgers in another shape, and of those that somebody else has begun to take away. */
  async #beginAnew(): Promise<void> {
    const { client, partition, copy, topic, ledgersOf, logger } = this.#options
    const anew = new Map<string, Set<string>>()
    for (const ledger of ledgersOf(partition)) {
      const at = copy.at(ledger)
      if (at === undefined || at.version !== copy.version || at.position < 0) {
        if (copy.position(ledger) >= 0) await copy.reset(ledger)
        if (at !== undefined) anew.set(ledger, new Set())
      }
    }
    if (anew.size === 0) return
    logger.warn({ partition, ledgers: anew.size }, 'the state of ledgers is written anew, in the shape of this version')
    const place = topic.place(partition)
    const { low, end } = await client.bounds(place)
    const write = (ledger: string, rows: ReadonlySet<string>): Promise<void> => {
      const changes = Array.from(rows, key => ({ key, value: undefined }))
      return this.#write([{ ledger, position: -1, version: copy.version, changes }])
    }
    for await (const records of client.read(place, low, end)) {
      for (const { key, isTombstone } of records) {
        const { ledger = '', row = '' } = stateKey(key) ?? {}
        const rows = anew.get(ledger)
        if (rows === undefined || isTombstone === true || !isRow(row)) continue
        rows.add(row)
        if (rows.size < clearedMax) continue
        await write(ledger, rows)
        rows.clear()
      }
    }
    for (const [ledger, rows] of anew) await write(ledger, rows)
  }

  /** One transaction, of as many ledgers as have more; how many entries it folded. */
  async #fold(): Promise<number> {
    const { copy, log, view } = this.#options
    const steps: StateStep[] = []
    const committed: (() => void)[] = []
    let left = stepEntriesMax
    for (const ledger of this.#inTurn()) {
      const position = copy.position(ledger)
      const entries = await log.read(ledger, position + 1, left, stepBytesMax)
      const last: StoredEntry | undefined = entries.at(-1)
      if (last === undefined) continue
      // What is folded on is what the topic has; rows that came from elsewhere never stood there.
      const written = copy.at(ledger)?.position ?? -1
      if (written !== position || copy.position(ledger) !== position)
        throw new Error(
          `The state of ${ledger} stands at ${copy.position(ledger)} here, and at ${written} in the topic.`,
        )
      const step = view.step(ledger, entries)
      steps.push({ ledger, position: last.seq, version: copy.version, changes: step.changes })
      committed.push(() => step.committed(last.seq))
      this.#last = ledger
      left -= entries.length
      if (left <= 0) break
    }
    if (steps.length === 0) return 0
    await this.#write(steps)
    for (const tell of committed) tell()
    return stepEntriesMax - left
  }

  /** Ledgers that have entries to fold, the one behind the last first. */
  #inTurn(): string[] {
    const { partition, ledgersOf, headOf, copy } = this.#options
    const late = [...ledgersOf(partition)].filter(ledger => headOf(ledger) > copy.position(ledger)).sort()
    const at = late.findIndex(ledger => ledger > this.#last)
    return at < 0 ? late : [...late.slice(at), ...late.slice(0, at)]
  }

  async #write(steps: readonly StateStep[]): Promise<void> {
    const { partition, topic, copy } = this.#options
    this.#next = await this.#commit(stateRecords(topic.place(partition), steps))
    await copy.keepOwn(partition, steps, this.#next)
  }

  /** One transaction; the offset behind it. */
  async #commit(records: readonly NewRecord[]): Promise<number> {
    if (this.#writer === undefined) throw new Error('The partition is not owned.')
    const place = placeText(this.#options.topic.place(this.#options.partition))
    const ends = await this.#writer.commit(records, new Map([[place, this.#next]]))
    // Behind the marker of the commit.
    return (ends.get(place) ?? 0) + 1
  }

  /** The partition is followed like any other from here on. */
  async letGo(): Promise<void> {
    const { topic, partition } = this.#options
    const writer = this.#writer
    this.#writer = undefined
    if (writer === undefined) return
    await topic.resume(partition)
    await writer.close().catch(() => {})
  }

  isFenced(error: unknown): boolean {
    return error instanceof Fenced || (error instanceof CommitUnknown && error.isFenced)
  }

  failed(error: unknown, retryInMs: number): void {
    this.#options.onError(error, retryInMs)
  }

  fenced(): void {
    const { logger, partition } = this.#options
    logger.warn({ partition }, 'another process writes the state of the partition now')
  }
}
