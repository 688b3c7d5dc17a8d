import type { Logger } from 'pino'
import { type Share, sessionMs } from '../../log/kafka/client.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import type { Partition } from '../../log/kafka/partition.ts'
import type { ClusterMetrics } from './metrics.ts'
import type { PartitionSequencer } from './sequencer.ts'

export interface OwnersOptions {
  readonly log: KafkaLog
  readonly group: string
  /** Partitions that this process owns whatever others do; without it the group shares them out. */
  readonly fixed: readonly number[] | undefined
  readonly sequencerOf: (partition: Partition) => PartitionSequencer
  readonly metrics: ClusterMetrics
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/** How often it looks whether a partition that was taken from it is its own after all. */
const lookMs = 1_000
/** A word of the group counts when it came so long after the partition was taken: by then a member that was given up knows. */
const confirmedMs = 2_000
/** Nobody confirms a partition that is assigned by hand: a transaction that took too long looks like another owner. */
const fixedWaitMs = 2 * sessionMs

/**
 * Which partitions this process seals. The group only assigns: whoever is assigned a partition takes it over from whoever had
 * it, and that is what keeps two from writing. So a process that was put off writes no more until it is assigned again; or
 * until the group has confirmed since that the partition is still its own: then whoever put it off was a member that the group
 * has given up, or its own transaction took too long, and nobody else would take the partition.
 */
export class Owners {
  readonly #options: OwnersOptions
  readonly #sequencers: readonly PartitionSequencer[]
  #assigned: readonly number[] = []
  #share: Share | undefined
  #looking: NodeJS.Timeout | undefined
  #trouble: unknown

  private constructor(options: OwnersOptions) {
    this.#options = options
    const { log, sequencerOf, metrics } = options
    for (const { number } of log.partitions) metrics.owned.set({ partition: number }, 0)
    this.#sequencers = log.partitions.map(sequencerOf)
    log.takeIntake(
      async (partition, records) => this.#sequencers[partition]?.offer(records),
      (partition, error) => this.#sequencers[partition]?.lose(error),
    )
  }

  static async start(options: OwnersOptions): Promise<Owners> {
    const owners = new Owners(options)
    const { log, group, fixed } = options
    owners.#looking = setInterval(() => owners.#look(), lookMs)
    if (fixed !== undefined) owners.#assign(fixed)
    else {
      owners.#share = await log.client.share({
        group,
        topic: log.topics.intake,
        onAssigned: partitions => owners.#assign(partitions),
        onTrouble: error => {
          owners.#trouble = error
        },
      })
    }
    return owners
  }

  /** Partitions that this process is to seal. */
  get assigned(): readonly number[] {
    return this.#assigned
  }

  get sequencers(): readonly PartitionSequencer[] {
    return this.#sequencers
  }

  /** What keeps it from sealing what it is to seal, if anything does. */
  get trouble(): string | undefined {
    if (this.#trouble !== undefined) return `The group can't be reached: ${String(this.#trouble)}`
    for (const number of this.#assigned) {
      const sequencer = this.#sequencers[number]
      if (sequencer?.trouble !== undefined) return `partition ${number}: ${sequencer.trouble}`
    }
    return undefined
  }

  #assign(partitions: readonly number[]): void {
    const { logger, metrics } = this.#options
    const lost = this.#assigned.filter(number => !partitions.includes(number))
    this.#assigned = partitions
    metrics.rebalances.inc()
    logger.info({ partitions, lost }, 'partitions are assigned')
    for (const number of lost) void this.#sequencers[number]?.stop()
    for (const number of partitions) this.#sequencers[number]?.start()
  }

  #look(): void {
    const { fixed } = this.#options
    const sureAtMs =
      fixed === undefined ? (this.#share?.confirmedAtMs ?? 0) - confirmedMs : performance.now() - fixedWaitMs
    for (const number of this.#assigned) {
      const sequencer = this.#sequencers[number]
      if (sequencer?.standing === 'fenced' && sureAtMs > sequencer.fencedAtMs) sequencer.start()
    }
  }

  /** Gives all partitions up, each at the end of a step. */
  async stop(): Promise<void> {
    clearInterval(this.#looking)
    await Promise.all(this.#sequencers.map(sequencer => sequencer.stop()))
    await this.#share?.close()
  }
}
