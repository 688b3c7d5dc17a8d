import { setTimeout as sleep } from 'node:timers/promises'
import { equalBytes } from '../../base/bytes.ts'
import { CommitUnknown, Fenced, type KafkaClient, NotCommitted, type Place, placeText } from '../../log/kafka/client.ts'
import { stateRecords } from '../../log/kafka/state-records.ts'
import type { LogReader } from '../../log/port.ts'
import type { ViewChange, ViewStore } from '../../projections/store.ts'
import { stateVersion, stateView } from '../state-rows.ts'
import { foldOn, rowsApart, type StateFinding, StateView } from '../state-view.ts'
import { StateCopy } from './state-copy.ts'

export interface TopicStateParts {
  readonly client: Pick<KafkaClient, 'read' | 'bounds' | 'writer' | 'partitionOf'>
  readonly topic: string
  readonly partitions: number
  /** Transactional id of who writes the state of a partition. */
  readonly writerId: (partition: number) => string
  /** A process's replica, which the process may be adding to. */
  readonly log: LogReader
  /** Empty stores: what the topic holds, and what the log adds up to. */
  readonly held: ViewStore
  readonly fresh: ViewStore
  /** After each step, with the entries folded so far. May throw, to end it; the topic is then as it was, or partly mended. */
  readonly onFolded?: (entries: number) => void
}

/** Rows that one transaction mends at most. */
const stepRowsMax = 2_000
/** Differing rows that are looked for before they are mended: what one pass keeps in memory. */
const passRowsMax = 200_000
/** Passes over a partition before it is given up. */
const passesMax = 100
/** How long the replica may stand still below what the topic has folded. */
const replicaMsMax = 60_000
const lookMs = 100

/**
 * The state topic held against the log, while services run. What the topic says of a ledger is compared with a fold from
 * nothing up to the position that the topic itself names, so that both speak of the same entries.
 */
export class TopicState {
  readonly #parts: TopicStateParts
  readonly #copy: StateCopy
  readonly #view: StateView
  /** Offset up to which each partition was read; absent before its first reading. */
  readonly #read = new Map<number, number>()
  #folded = 0

  private constructor(parts: TopicStateParts, view: StateView) {
    this.#parts = parts
    this.#view = view
    const { held: store, partitions } = parts
    // It is compared with the log, and so need not wait for it.
    this.#copy = new StateCopy({ store, partitions, headOf: () => Number.MAX_SAFE_INTEGER })
  }

  static async open(parts: TopicStateParts): Promise<TopicState> {
    await parts.held.adopt(stateView, stateVersion)
    return new TopicState(parts, await StateView.open(parts.fresh))
  }

  /** Rows that are not what the log adds up to, as the topic is now. Changes nothing. */
  async *check(): AsyncGenerator<StateFinding> {
    for (let partition = 0; partition < this.#parts.partitions; partition++) {
      await this.#readOn(partition)
      for (const ledger of await this.#foldOn(partition)) yield* rowsApart(this.#parts.held, this.#parts.fresh, ledger)
    }
  }

  /**
   * Writes what `check` finds as the log adds it up; how many rows that were. A partition without a finding is left alone. Of
   * another one the follower is fenced for the moment that the writing takes, and goes on by itself some seconds later.
   */
  async mend(): Promise<number> {
    let mended = 0
    for (let partition = 0; partition < this.#parts.partitions; partition++) {
      for (let passes = 0; ; passes++) {
        await this.#readOn(partition)
        const apart = this.#apart(await this.#foldOn(partition))
        if (apart.size === 0) break
        if (passes === passesMax)
          throw new Error(`Somebody goes on writing rows to partition ${partition} that are wrong.`)
        try {
          for await (const rows of this.#write(partition, apart)) mended += rows
        } catch (error) {
          // The follower took its partition back, or nobody knows: what stands there is read again.
          if (!(error instanceof Fenced || error instanceof NotCommitted || error instanceof CommitUnknown)) throw error
        }
      }
    }
    return mended
  }

  /** Keys of rows that differ, by ledger; as many as a pass mends. */
  #apart(ledgers: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const apart = new Map<string, string[]>()
    let count = 0
    for (const ledger of ledgers) {
      for (const { key } of rowsApart(this.#parts.held, this.#parts.fresh, ledger)) {
        apart.set(ledger, [...(apart.get(ledger) ?? []), key])
        count += 1
        if (count === passRowsMax) return apart
      }
    }
    return apart
  }

  /** Gives the rows of each transaction that it wrote. */
  async *#write(partition: number, apart: ReadonlyMap<string, readonly string[]>): AsyncGenerator<number> {
    const { client, writerId, held, fresh } = this.#parts
    const place = this.#place(partition)
    const writer = await client.writer(writerId(partition))
    try {
      // Nobody else writes it now: what is there is the last word, and what it says is folded as far as it goes.
      let next = await this.#readOn(partition)
      const ledgers = new Set(await this.#foldOn(partition))
      for (const [ledger, keys] of apart) {
        if (!ledgers.has(ledger)) continue
        const changes = keys
          .map((key): ViewChange => ({ key, value: fresh.get(stateView, ledger, key) }))
          .filter(({ key, value }) => !isSame(held.get(stateView, ledger, key), value))
        const position = this.#copy.position(ledger)
        for (let n = 0; n < changes.length; n += stepRowsMax) {
          const step = { ledger, position, version: stateVersion, changes: changes.slice(n, n + stepRowsMax) }
          const ends = await writer.commit(stateRecords(place, [step]), new Map([[placeText(place), next]]))
          // Behind the marker of the commit.
          next = (ends.get(placeText(place)) ?? 0) + 1
          await this.#copy.keepOwn(partition, [step], next)
          this.#read.set(partition, next)
          yield step.changes.length
        }
      }
    } finally {
      await writer.close().catch(() => {})
    }
  }

  /** Reads a partition up to its end as it is now, and gives that. */
  async #readOn(partition: number): Promise<number> {
    const { client } = this.#parts
    const place = this.#place(partition)
    const { low, end } = await client.bounds(place)
    const from = this.#read.get(partition) ?? low
    if (!this.#read.has(partition)) this.#copy.begin(partition, end)
    if (from > end) throw new Error(`${placeText(place)} was made anew meanwhile: begin again.`)
    for await (const records of client.read(place, from, end)) {
      const last = records.at(-1)
      if (last !== undefined) await this.#copy.take(partition, records, last.offset + 1)
      this.#parts.onFolded?.(this.#folded)
    }
    await this.#copy.take(partition, [], end)
    this.#read.set(partition, end)
    return end
  }

  /** Folds the ledgers of a partition as far as the topic has them, and gives those that it has in this version's shape. */
  async #foldOn(partition: number): Promise<readonly string[]> {
    const { client, partitions, log } = this.#parts
    const folded: string[] = []
    for (const ledger of await log.ledgers()) {
      if (client.partitionOf(ledger, partitions) !== partition) continue
      const position = this.#copy.position(ledger)
      const at = this.#copy.at(ledger)
      // In another shape, or about to be written anew: its follower makes every row of it.
      if (at === undefined || at.version !== stateVersion || at.position !== position || position < 0) continue
      await this.#foldUpTo(ledger, position)
      folded.push(ledger)
    }
    return folded
  }

  /** The topic knows no more than the log; the replica may be a moment behind both. */
  async #foldUpTo(ledger: string, position: number): Promise<void> {
    const { log, onFolded } = this.#parts
    for (let waitedMs = 0; ; ) {
      const at = await this.#view.position(ledger)
      if (at === position) return
      if (at > position)
        throw new Error(`The state topic went back in ${ledger}, from ${at} to ${position}: begin again.`)
      const before = this.#folded
      const folded = await foldOn(log, this.#view, ledger, position, entries => onFolded?.(before + entries))
      this.#folded = before + folded
      if (folded > 0) waitedMs = 0
      else if (waitedMs >= replicaMsMax) throw new Error(behindDetail(ledger, position))
      else {
        onFolded?.(this.#folded)
        await sleep(lookMs)
        waitedMs += lookMs
      }
    }
  }

  #place(partition: number): Place {
    return { topic: this.#parts.topic, partition }
  }
}

const behindDetail = (ledger: string, position: number): string =>
  `The state topic has folded ${ledger} up to ${position}, and the replica of this folder ends before: name the data folder of a ` +
  'process that runs. Should no process have that entry, somebody wrote the position: delete the topic, and followers fill it again.'

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b)
