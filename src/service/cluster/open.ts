import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { fromHex } from '../../base/bytes.ts'
import type { HealthPart } from '../../http/ports.ts'
import type { Head } from '../../ledger/entry.ts'
import type { EmbeddedLog } from '../../log/embedded/log.ts'
import type { TakenEvent } from '../../log/intake.ts'
import { KafkaRefused } from '../../log/kafka/access.ts'
import type { KafkaLog } from '../../log/kafka/log.ts'
import { type KafkaLogOptions, openKafkaLog } from '../../log/kafka/open.ts'
import type { PlacedBatch } from '../../log/kafka/records.ts'
import type { ReplicaListener } from '../../log/kafka/replica.ts'
import { Sender } from '../../log/kafka/sender.ts'
import { LogInUse, LogUnreadable, NotWritten } from '../../log/port.ts'
import type { ViewStore } from '../../projections/store.ts'
import type { Config } from '../config.ts'
import { type Core, type CoreParts, headsOf } from '../core.ts'
import { ensureIntakeKey, ensureOrigin, fixedOrigin, intakeKeyFile } from '../first-start.ts'
import { kafkaAccess } from '../kafka-settings.ts'
import { KeyFileUnusable, keysFolder } from '../key-files.ts'
import { Registry } from '../registry.ts'
import type { Signer } from '../signer.ts'
import { followedPart } from './followed.ts'
import { ClusterIntake } from './intake.ts'
import { clusterMetrics } from './metrics.ts'
import { Owners } from './owners.ts'
import { PartitionSequencer } from './sequencer.ts'
import { followClusterState } from './state.ts'
import { doubtOf } from './vouch.ts'

/** The cluster way: Kafka is the log, this process has the roles it was given, and there may be any number of others. */
export async function openCluster(parts: CoreParts): Promise<Core> {
  const { config, logger, suite, clock, keys, metrics, closers, onConflict } = parts
  const prefix = config.KAFKA_PREFIX
  const followed = new Followed(parts)
  const options = { ...optionsOf(config), listener: (store: EmbeddedLog) => followed.attach(store) }
  const log = await patiently(logger, () => openKafkaLog(options))
  closers.push(() => log.close(), followed.keepUp(log.views))
  const { registry, heads } = followed
  const origin = (await fixedOrigin(log, log.installation.origin, config.ORIGIN)) ?? log.installation.origin
  const { replicas } = log.installation
  if (replicas < 3) {
    logger.warn(
      { replicas },
      'what is acknowledged may be on one broker alone, and is lost with it; three brokers keep the ledger through the loss of one',
    )
  }
  if (keys.ids().length === 0 && config.ROLES.includes('sequencer')) {
    if (heads.size > 0) throw new KeyFileUnusable(noKeyDetail)
    await keys.makeFirst(clock())
  }
  const intakeKey = intakeKeyOf(config)
  const placing = new ClusterIntake({
    ...{ log, suite, onConflict, prefix, intakeKey, heads },
    queueEventsMax: config.QUEUE_EVENTS_MAX,
    waitMs: config.INGEST_WAIT_MS,
  })
  followed.placing = placing
  closers.push(() => placing.stop())
  const cluster = clusterMetrics(metrics.registry, {
    intakeLag: async () =>
      new Map(
        await Promise.all(
          (owners?.assigned ?? []).map(async (number): Promise<[number, number]> => {
            const { low, end } = await log.intakeBounds(number)
            return [number, end - Math.max(low, log.placed(number))]
          }),
        ),
      ),
    replicaLag: () => log.lag(),
    ledgerTopic: log.topics.ledger,
  })
  const dead = new Sender(log.client)
  closers.push(() => dead.close())
  let owners: Owners | undefined
  const signerOf = (ledger: string, first: TakenEvent): Signer =>
    heads.has(ledger) ? registry.signer(ledger) : registry.signerUnder(ledger, genesisKey(first))
  const sequencers = log.partitions.map(
    partition =>
      new PartitionSequencer({
        ...{ log, partition, prefix, intakeKey, suite, signerOf, dead, metrics: cluster, logger },
        headOf: ledger => heads.get(ledger),
      }),
  )
  const start = async (): Promise<void> => {
    if (!config.ROLES.includes('sequencer')) return
    for (const { number } of log.partitions) cluster.owned.set({ partition: number }, 0)
    log.takeIntake(
      async (partition, records) => sequencers[partition]?.offer(records),
      (partition, error) => sequencers[partition]?.lose(error),
    )
    owners = await patiently(logger, () =>
      Owners.start({
        ...{ client: log.client, logger, metrics: cluster, owned: sequencers.map(({ loop }) => loop) },
        ...{ group: `${prefix}.sequencers`, topic: log.topics.intake, fixed: fixedOf(config, log) },
      }),
    )
    closers.push(() => owners?.stop() ?? Promise.resolve())
  }
  return {
    ...{ log, registry, placing, origin, start },
    custody: { refusal: config.KEYS_DIR === undefined ? noKeysDirDetail : undefined },
    patiently: work => patiently(logger, work),
    isCutOff: () => log.trouble !== undefined,
    followed: await patiently(logger, () => followedPart(config, log, closers)),
    followState: followClusterState({ config, log, heads, logger, metrics: cluster }),
    health: () => [
      ...(config.ROLES.includes('sequencer') ? [sequencerHealth(owners)] : []),
      ...(config.ROLES.includes('http') ? [placesHealth(placing.stalled)] : []),
    ],
  }
}

/**
 * The key of intake: as configured, or in the keys folder, where a sequencer makes it. A process that takes events in must
 * have the one that the sequencers have; one that does neither has no use for it.
 */
function intakeKeyOf(config: Config): Uint8Array {
  const given = fromHex(config.INTAKE_KEY ?? '')
  if (given?.length === 32) return given
  const folder = keysFolder(config)
  // A folder that was named is shared: whoever comes first makes the key there.
  const mayMake = config.ROLES.includes('sequencer') || config.KEYS_DIR !== undefined
  if (mayMake || existsSync(intakeKeyFile(folder))) return ensureIntakeKey(folder)
  if (!config.ROLES.includes('http')) return new Uint8Array(randomBytes(32))
  throw new KeyFileUnusable(noIntakeKeyDetail)
}

const noIntakeKeyDetail =
  'There is no intake key here, which the sequencers know this process by: give AEP_LEDGER_INTAKE_KEY_FILE the same to all ' +
  'processes, or with AEP_LEDGER_KEYS_DIR the keys folder of the sequencers.'

const noKeysDirDetail =
  'This process keeps its keys for itself, so that no other one could sign with a new key. Name a keys folder that all who seal and this ' +
  'process share with AEP_LEDGER_KEYS_DIR, and ask again.'

const noKeyDetail =
  'There is no signing key here, and there are ledgers that were signed before: give AEP_LEDGER_LEDGER_KEY_FILE, or with ' +
  'AEP_LEDGER_KEYS_DIR the keys folder of the process that made them, or leave the role sequencer out of AEP_LEDGER_ROLES.'

/** What follows the log in this process: whose key signs, where each ledger ends, and who waits for which event. */
class Followed {
  readonly heads = new Map<string, Head>()
  readonly #parts: CoreParts
  #registry: Registry | undefined
  placing: ClusterIntake | undefined

  constructor(parts: CoreParts) {
    this.#parts = parts
  }

  get registry(): Registry {
    if (this.#registry === undefined) throw new Error('the log was not opened')
    return this.#registry
  }

  /** As the replica is, before it goes on. */
  async attach(store: EmbeddedLog): Promise<ReplicaListener> {
    const { keys, suite } = this.#parts
    const registry = await Registry.openOwn(store, store.views, keys)
    this.#registry = registry
    for (const [ledger, head] of await headsOf(store)) this.heads.set(ledger, head)
    return {
      vouch: batch => doubtOf(suite, registry.history(batch.ledger), batch),
      onKept: (partition, batch) => this.#kept(partition, batch),
      onPlaced: (partition, intake) => this.placing?.placed(partition, intake),
    }
  }

  /** Notes what is folded, now and then; what comes back ends that. */
  keepUp(views: ViewStore): () => Promise<void> {
    const keeping = setInterval(() => void this.#keep(views), registryMs)
    return () => {
      clearInterval(keeping)
      return this.#keep(views)
    }
  }

  async #keep(views: ViewStore): Promise<void> {
    await this.registry.keep(views).catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'the keys of ledgers could not be noted; the next start reads them again')
    })
  }

  #kept(partition: number, batch: PlacedBatch): void {
    const { ledger, entries, head } = batch
    this.registry.fold(ledger, entries)
    this.heads.set(ledger, head)
    this.#parts.onGrown(ledger, entries)
    this.placing?.kept(partition, batch)
  }
}

/** How often the keys of ledgers, as far as they were folded, are noted. */
const registryMs = 5_000

const genesisKey = ({ canonical }: TakenEvent): string => {
  const { data } = JSON.parse(canonical) as { readonly data?: { readonly key?: { readonly key_id?: string } } }
  return data?.key?.key_id ?? ''
}

const fixedOf = ({ SEQUENCE_PARTITIONS }: Config, log: KafkaLog): readonly number[] | undefined =>
  SEQUENCE_PARTITIONS === 'all' ? log.partitions.map(({ number }) => number) : SEQUENCE_PARTITIONS

function sequencerHealth(owners: Owners | undefined): HealthPart {
  const trouble = owners === undefined ? 'is starting' : owners.trouble
  const numbers = owners?.assigned ?? []
  const seals = numbers.length === 0 ? 'seals no partition' : `seals partitions ${numbers.join(', ')}`
  return { name: 'sequencer', ready: trouble === undefined, detail: trouble ?? seals, essential: true }
}

/** One ledger that is not written is no reason to turn the others away, nor whoever reads. */
const placesHealth = (stalled: string | undefined): HealthPart => ({
  ...{
    name: 'places',
    ready: stalled === undefined,
    detail: stalled ?? 'what comes gets its places',
    essential: false,
  },
})

const optionsOf = (config: Config): KafkaLogOptions => ({
  dir: config.DATA_DIR,
  access: kafkaAccess(config, config.KAFKA_BROKERS ?? []),
  prefix: config.KAFKA_PREFIX,
  origin: ensureOrigin(config.DATA_DIR, config.ORIGIN),
  partitions: config.KAFKA_PARTITIONS,
  replication: config.KAFKA_REPLICATION,
})

const waitMsMin = 500
const waitMsMax = 10_000

/** As `work` has it, which is tried again for as long as it takes; throws at once what it takes somebody to mend. */
async function patiently<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  for (let waitMs = waitMsMin; ; waitMs = Math.min(2 * waitMs, waitMsMax)) {
    try {
      return await work()
    } catch (error) {
      if (error instanceof KafkaRefused) logger.fatal({ err: error }, 'Kafka does not let this service in, so it ends')
      if (isForPeople(error)) throw error
      logger.warn({ err: error, retryInMs: waitMs }, 'Kafka is not to be had yet; it is tried again')
      await sleep(waitMs)
    }
  }
}

/** Whether it takes somebody to mend it, so that trying again is no use. */
const isForPeople = (error: unknown): boolean =>
  error instanceof KafkaRefused ||
  error instanceof LogUnreadable ||
  error instanceof LogInUse ||
  error instanceof KeyFileUnusable ||
  (error instanceof NotWritten && error.reason !== 'failed')
