import type { Logger } from 'pino'
import type { Head } from '../../ledger/entry.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import type { LeaseView } from '../../projections/port.ts'
import type { Config } from '../config.ts'
import { Follower, type FollowerOptions, type View } from '../follower.ts'
import type { FollowState, StateView } from '../state-view.ts'
import type { ClusterMetrics } from './metrics.ts'
import { Owners } from './owners.ts'
import { StateCopy } from './state-copy.ts'
import { StateOwner, stateWriterId } from './state-owner.ts'
import { StateTopic } from './state-topic.ts'

export interface ClusterStateParts {
  readonly config: Config
  readonly log: KafkaLog
  /** Where each ledger ends in the replica. */
  readonly heads: ReadonlyMap<string, Head>
  readonly logger: Pick<Logger, 'info' | 'warn'>
  readonly metrics: Pick<ClusterMetrics, 'rebalances'>
}

/**
 * The state view of a process of a cluster. Followers share the partitions out among themselves, fold, and write the rows to
 * the state topic; every process that answers about leases keeps what stands there. Where the topic has a ledger in another
 * shape than this version's, the process folds that ledger itself until a follower of its version has written it.
 */
export const followClusterState =
  (parts: ClusterStateParts): FollowState =>
  (view, options) => {
    const state = new ClusterState(parts, view, options)
    return { follower: state, leases: state.leases }
  }

class ClusterState {
  readonly leases: LeaseView
  readonly #parts: ClusterStateParts
  readonly #copy: StateCopy
  readonly #topic: StateTopic
  readonly #owned: readonly StateOwner[]
  /** Folds what the topic has in another shape. */
  readonly #own: Follower
  readonly #ledgers = new LedgersOf()
  #owners: Owners | undefined
  #starting: Promise<void> | undefined
  #isStopping = false
  #trouble: unknown

  constructor(parts: ClusterStateParts, view: StateView, options: Omit<FollowerOptions, 'view'>) {
    const { log, heads, logger, config } = parts
    const { client, partitions } = log
    const headOf = (ledger: string): number => heads.get(ledger)?.seq ?? -1
    const ledgersOf = (partition: number): Iterable<string> => this.#ledgers.of(partition, log, heads)
    this.#parts = parts
    const copy = new StateCopy({
      ...{ store: log.views, partitions: partitions.length, headOf },
      onMended: ledger => view.leases.forget(ledger),
    })
    this.#copy = copy
    this.#topic = new StateTopic({ client, topic: log.topics.state, partitions: partitions.length, copy, ledgersOf })
    this.#owned = partitions.map(
      ({ number }) =>
        new StateOwner({
          ...{ client, log, headOf, ledgersOf, view, copy, topic: this.#topic, logger },
          ...{ partition: number, transactionalId: stateWriterId(config.KAFKA_PREFIX, number) },
          ...{ restMs: options.restMs, onError: options.onError },
        }),
    )
    this.#own = new Follower({
      ...options,
      log: {
        ledgers: async () => this.#foreign(),
        head: ledger => log.head(ledger),
        read: (...query) => log.read(...query),
        find: (...query) => log.find(...query),
        record: digest => log.record(digest),
      },
      view: this.#inTurn(copy, view),
    })
    this.leases = {
      position: async ledger => copy.position(ledger),
      reached: (ledger, seq, timeoutMs) => copy.reached(ledger, seq, timeoutMs),
      list: async (ledger, ...query) =>
        copy.position(ledger) < 0 ? { items: [], asOf: -1 } : view.leases.list(ledger, ...query),
    }
  }

  position(ledger: string): number {
    return this.#copy.position(ledger)
  }

  get failing(): string | undefined {
    const trouble = this.#trouble ?? this.#topic.trouble ?? this.#copy.trouble
    if (trouble !== undefined) return trouble instanceof Error ? trouble.message : String(trouble)
    return this.#owners?.trouble ?? this.#own.failing
  }

  get note(): string | undefined {
    const foreign = this.#foreign()
    if (foreign.length === 0) return undefined
    const version = this.#copy.at(foreign[0] ?? '')?.version
    return `folded here for ${foreign.length} ledgers, which the state topic has in the shape ${version}, not ${this.#copy.version}`
  }

  start(): void {
    this.#topic.start()
    this.#own.start()
    if (this.#parts.config.ROLES.includes('follower')) this.#starting ??= this.#share()
  }

  async #share(): Promise<void> {
    const { log, config, logger, metrics } = this.#parts
    while (!this.#isStopping && this.#owners === undefined) {
      try {
        this.#owners = await Owners.start({
          ...{ client: log.client, logger, metrics, owned: this.#owned.map(({ loop }) => loop), fixed: undefined },
          ...{ group: `${config.KAFKA_PREFIX}.state`, topic: log.topics.state },
        })
        this.#trouble = undefined
      } catch (error) {
        this.#trouble = error
        await new Promise(resolve => setTimeout(resolve, retryMs))
      }
    }
  }

  wake(): void {
    for (const { loop } of this.#owned) loop.wake()
    this.#own.wake()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#starting
    await this.#owners?.stop()
    await this.#own.stop()
    const copied = this.#copy.close()
    await this.#topic.close()
    await copied
  }

  /** Ledgers that the topic has in another shape, but for those that this process is about to write. */
  #foreign(): string[] {
    return [...this.#parts.heads.keys()].filter(ledger => this.#isForeign(ledger)).sort()
  }

  #isForeign(ledger: string): boolean {
    const { version } = this.#copy
    if ((this.#copy.at(ledger)?.version ?? version) === version) return false
    return this.#owned[this.#parts.log.partitionOf(ledger).number]?.loop.isMeant !== true
  }

  /** The view as one that several write, each in its turn; a round over foreign ledgers may outlast their being foreign. */
  #inTurn(copy: StateCopy, view: StateView): View {
    return {
      name: view.name,
      position: async ledger => copy.position(ledger),
      take: (ledger, entries) =>
        copy.inTurn(ledger, async () => {
          const isNext = copy.position(ledger) + 1 === entries[0]?.seq
          if (isNext && this.#isForeign(ledger)) await view.take(ledger, entries)
        }),
    }
  }
}

const retryMs = 1_000

/** Ledgers by partition, as they come to be known. */
class LedgersOf {
  readonly #known = new Set<string>()
  readonly #of = new Map<number, string[]>()

  of(partition: number, log: KafkaLog, heads: ReadonlyMap<string, Head>): readonly string[] {
    if (heads.size > this.#known.size) {
      for (const ledger of heads.keys()) {
        if (this.#known.has(ledger)) continue
        this.#known.add(ledger)
        const { number } = log.partitionOf(ledger)
        this.#of.set(number, [...(this.#of.get(number) ?? []), ledger])
      }
    }
    return this.#of.get(partition) ?? []
  }
}
