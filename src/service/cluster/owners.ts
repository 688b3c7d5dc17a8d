import type { Logger } from 'pino'
import { type KafkaClient, type Share, sessionMs } from '../../log/kafka/client.ts'
import type { ClusterMetrics } from './metrics.ts'
import type { OwnedLoop } from './owned-loop.ts'

export interface OwnersOptions {
  readonly client: Pick<KafkaClient, 'share'>
  readonly group: string
  /** Whose partitions are shared out. */
  readonly topic: string
  /** Partitions that this process owns whatever others do; without it the group shares them out. */
  readonly fixed: readonly number[] | undefined
  /** One a partition. */
  readonly owned: readonly OwnedLoop[]
  readonly metrics: Pick<ClusterMetrics, 'rebalances'>
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/** How often it looks whether a partition that was taken from it is its own after all. */
const lookMs = 1_000
/** A word of the group counts when it came so long after the partition was taken: by then a member that was given up knows. */
const confirmedMs = 2_000
/** A partition that could not be worked on for so long is left to another process; and how often that is tried. */
const failingMsMax = 8_000
const avoidEveryMs = 60_000
/** Nobody confirms a partition that is assigned by hand: a transaction that took too long looks like another owner. */
const fixedWaitMs = 2 * sessionMs

/**
 * Which partitions this process works on. The group only assigns: whoever is assigned a partition takes it over from whoever had
 * it, and that is what keeps two from writing. So a process that was put off writes no more until it is assigned again; or
 * until the group has confirmed since that the partition is still its own: then whoever put it off was a member that the group
 * has given up, or its own transaction took too long, and nobody else would take the partition.
 */
export class Owners {
  readonly #options: OwnersOptions
  #assigned: readonly number[] = []
  #share: Share | undefined
  #looking: NodeJS.Timeout | undefined
  #trouble: unknown
  readonly #avoidedAtMs = new Map<number, number>()

  private constructor(options: OwnersOptions) {
    this.#options = options
  }

  static async start(options: OwnersOptions): Promise<Owners> {
    const owners = new Owners(options)
    const { client, group, topic, fixed } = options
    owners.#looking = setInterval(() => owners.#look(), lookMs)
    if (fixed !== undefined) owners.#assign(fixed)
    else {
      const sharing = client.share({
        group,
        topic,
        onAssigned: partitions => owners.#assign(partitions),
        onTrouble: error => {
          owners.#trouble = error
        },
      })
      sharing.catch(() => clearInterval(owners.#looking))
      owners.#share = await sharing
    }
    return owners
  }

  /** Partitions that are this process's. */
  get assigned(): readonly number[] {
    return this.#assigned
  }

  /** What keeps it from its work on one of them, if anything does. */
  get trouble(): string | undefined {
    if (this.#trouble !== undefined) return `The group can't be reached: ${String(this.#trouble)}`
    for (const number of this.#assigned) {
      const trouble = this.#options.owned[number]?.trouble
      if (trouble !== undefined) return `partition ${number}: ${trouble}`
    }
    return undefined
  }

  #assign(partitions: readonly number[]): void {
    const { logger, metrics, owned, group } = this.#options
    const lost = this.#assigned.filter(number => !partitions.includes(number))
    this.#assigned = partitions
    metrics.rebalances.inc()
    logger.info({ group, partitions, lost }, 'partitions are assigned')
    for (const number of lost) void owned[number]?.stop()
    for (const number of partitions) owned[number]?.start()
  }

  #look(): void {
    const { fixed } = this.#options
    const sureAtMs =
      fixed === undefined ? (this.#share?.confirmedAtMs ?? 0) - confirmedMs : performance.now() - fixedWaitMs
    for (const number of this.#assigned) {
      const one = this.#options.owned[number]
      if (one?.standing === 'fenced' && sureAtMs > one.fencedAtMs) one.start()
      if (performance.now() - (one?.failingSinceMs ?? Number.POSITIVE_INFINITY) > failingMsMax) this.#avoid(number)
    }
  }

  /** Leaves a partition to another process, which may reach what this one doesn't: a broker that only others get through to. */
  #avoid(number: number): void {
    const { fixed, group, logger } = this.#options
    const now = performance.now()
    const sinceMs = now - (this.#avoidedAtMs.get(number) ?? Number.NEGATIVE_INFINITY)
    if (fixed !== undefined || this.#share === undefined || sinceMs < avoidEveryMs) return
    this.#avoidedAtMs.set(number, now)
    logger.warn({ group, partition: number }, 'a partition can not be worked on here; another process may have it')
    void this.#share.avoid(number)
  }

  /** Gives all partitions up, each at the end of a step. */
  async stop(): Promise<void> {
    clearInterval(this.#looking)
    await Promise.all(this.#options.owned.map(one => one.stop()))
    await this.#share?.close()
  }
}
