import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaClient, KafkaTail, Place } from '../../log/kafka/client.ts'
import { nameIn } from '../../log/kafka/state-records.ts'
import type { StateCopy } from './state-copy.ts'

export interface StateTopicOptions {
  readonly client: KafkaClient
  readonly topic: string
  readonly partitions: number
  readonly copy: StateCopy
  /** Ledgers of a partition that are known here. */
  readonly ledgersOf: (partition: number) => Iterable<string>
}

const retryMs = 1_000
const lookMs = 10

/** Follows the state topic into the copy of this process, for ever, but for the partitions that the process itself writes. */
export class StateTopic {
  readonly #options: StateTopicOptions
  readonly #numbers: readonly number[]
  /** Partitions that are not followed for the time being. */
  readonly #paused = new Set<number>()
  #tail: KafkaTail | undefined
  #starting: Promise<void> | undefined
  #trouble: unknown
  #isClosed = false

  constructor(options: StateTopicOptions) {
    this.#options = options
    this.#numbers = Array.from({ length: options.partitions }, (_, number) => number)
  }

  /** What keeps it from following now. */
  get trouble(): unknown {
    return this.#trouble
  }

  place(partition: number): Place {
    return { topic: this.#options.topic, partition }
  }

  /** Begins to follow, in the background: nothing waits for it. */
  start(): void {
    this.#starting ??= this.#start()
  }

  async #start(): Promise<void> {
    while (this.#tail === undefined && !this.#isClosed) {
      try {
        const places = await Promise.all(
          this.#numbers.map(async number => ({ ...this.place(number), from: await this.#attach(number) })),
        )
        this.#tail = await this.#options.client.tail({
          places: places.map(place => ({ ...place, isPaused: this.#paused.has(place.partition) })),
          take: ({ partition }, records, next) => this.#options.copy.take(partition, records, next),
          onStopped: ({ partition }, error) => void this.#again(partition, error),
          onTrouble: error => {
            this.#trouble = error
          },
        })
      } catch (error) {
        this.#trouble = error
        await sleep(retryMs)
      }
    }
  }

  /** Where to read a partition from: where it was left, or its beginning, when it is not the topic that was read before. */
  async #attach(partition: number): Promise<number> {
    const { client, copy, ledgersOf } = this.#options
    const { low, end } = await client.bounds(this.place(partition))
    const from = copy.begin(partition, end)
    if (from <= end && from >= low && (await this.#isSame(partition))) return from
    await copy.forget(partition, ledgersOf(partition), low)
    return copy.begin(partition, end)
  }

  /** Whether it is the partition that was read before, and not one that was made in its place. */
  async #isSame(partition: number): Promise<boolean> {
    const { client, copy } = this.#options
    const name = copy.name(partition)
    // Without a name, what was kept of it may be of another one.
    if (name === undefined) return copy.offset(partition) === 0
    const { low, end } = await client.bounds(this.place(partition))
    if (name.offset < low || name.offset >= end) return false
    for await (const records of client.read(this.place(partition), name.offset, name.offset + 1)) {
      for (const record of records) if (record.offset === name.offset && nameIn(record) === name.name) return true
    }
    return false
  }

  /** After what can't be followed: from where it was left, once more. */
  async #again(partition: number, error: unknown): Promise<void> {
    this.#trouble = error
    await sleep(retryMs)
    if (!this.#isClosed && !this.#paused.has(partition)) await this.resume(partition)
  }

  /** Everything that is committed now is in the copy when it resolves, with the end of it; throws once it is not wanted. */
  async current(partition: number, isWanted: () => boolean): Promise<number> {
    const { client, copy } = this.#options
    while (this.#tail === undefined) await restWanted(isWanted)
    const { end } = await client.bounds(this.place(partition))
    if (copy.offset(partition) > end || !(await this.#isSame(partition))) await this.resume(partition)
    while (copy.offset(partition) < end) await restWanted(isWanted)
    return end
  }

  /** Its writer keeps what it writes itself. */
  pause(partition: number): void {
    this.#paused.add(partition)
    this.#tail?.pause(this.place(partition))
  }

  /** Follows a partition from where the copy has all of it; where that fails now, later. */
  async resume(partition: number): Promise<void> {
    this.#paused.delete(partition)
    try {
      const from = await this.#attach(partition)
      if (this.#paused.has(partition)) return
      this.#tail?.resume(this.place(partition), from)
      this.#trouble = undefined
    } catch (error) {
      void this.#again(partition, error)
    }
  }

  /** Reads a partition from its beginning once more, up to what is there now. */
  async anew(partition: number, isWanted: () => boolean): Promise<number> {
    const { client, copy, ledgersOf } = this.#options
    const { low } = await client.bounds(this.place(partition))
    this.pause(partition)
    await copy.forget(partition, ledgersOf(partition), low)
    await this.resume(partition)
    return this.current(partition, isWanted)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#starting
    await this.#tail?.close()
  }
}

async function restWanted(isWanted: () => boolean): Promise<void> {
  if (!isWanted()) throw new Error('The partition is not wanted any more.')
  await sleep(lookMs)
}
