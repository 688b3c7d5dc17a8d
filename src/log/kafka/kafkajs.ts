import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Cluster, type KafkaConfig } from 'kafkajs'
import type { KafkaAccess } from './access.ts'
import type {
  Bounds,
  KafkaClient,
  KafkaProducer,
  KafkaRecord,
  KafkaTail,
  KafkaWriter,
  NewTopic,
  Place,
  Share,
  ShareOptions,
  TailOptions,
  TopicState,
} from './client.ts'
import { kafkajsAccess } from './kafkajs-access.ts'
import { Asking, clusterOf } from './kafkajs-asking.ts'
import { readCompressed } from './kafkajs-codecs.ts'
import type { Kafka } from './kafkajs-consumer.ts'
import { refusalOf } from './kafkajs-refusal.ts'
import { settle } from './kafkajs-settle.ts'
import { joinShare } from './kafkajs-share.ts'
import { Sockets } from './kafkajs-socket.ts'
import { Tail } from './kafkajs-tail.ts'
import { startProducer, startWriter } from './kafkajs-writer.ts'
import { quietTimers } from './quiet-timers.ts'

const { ConfigResourceTypes, Partitioners } = kafkajs

quietTimers()
readCompressed()

/**
 * The client over kafkajs 2.2.4, and the rules under which it loses nothing (it is no longer maintained):
 *
 * - one send outstanding a producer: with two, a lost answer makes the second one take the first one's number, and the
 *   broker drops it as a repeat;
 * - one transactional writer a partition, and no key of four zero bytes: its filter of aborted records is wrong otherwise;
 * - a new producer after any error of a transaction: the old one is stuck, or about to be;
 * - and after a lost connection to a broker that it needs: the broker may have left a commit without its markers;
 * - it sleeps `initialRetryTime` while the markers of the last transaction are written, so that time is short;
 * - an offset out of range is silently another one: the offset that a batch was fetched at is looked at;
 * - what an admin is asked fails at the first lost connection: it is asked again, over a new one;
 * - a batch that can't be decoded ends a consumer, whatever else it reads: its place is then read apart, and stops, or
 *   passes it over; kafkajs itself decodes gzip alone;
 * - one place a call: where one goes to several leaders and one of them fails, what is on its way to the others is sent
 *   again, and stands there twice; where one of them moves, records are left out or sent twice.
 */
export async function kafkajsClient(access: KafkaAccess): Promise<KafkaClient> {
  const config: KafkaConfig = {
    clientId: 'aep-ledger',
    ...kafkajsAccess(access),
    retry: { initialRetryTime: 3, factor: 0.2, multiplier: 2, maxRetryTime: 500, retries: 12 },
  }
  const client = new KafkajsClient(config, access)
  await client.connect().catch(async error => {
    await client.close()
    throw refusalOf(error, access) ?? error
  })
  return client
}

/** What it calls partitioning by key is what the Java client does. */
const partitioner = Partitioners.DefaultPartitioner()

class KafkajsClient implements KafkaClient {
  readonly #config: KafkaConfig
  readonly #kafka: Kafka
  readonly #access: KafkaAccess
  readonly #admins: Asking<Admin>
  readonly #clusters: Asking<Cluster>
  /** The same as a reader of all, committed or not. */
  readonly #uncommitted: Asking<Cluster>

  constructor(config: KafkaConfig, access: KafkaAccess) {
    const kafka = new kafkajs.Kafka(config)
    this.#config = config
    this.#kafka = kafka
    this.#access = access
    const isFinal = (error: unknown): boolean => refusalOf(error, access) !== undefined
    this.#admins = new Asking(() => kafka.admin(), isFinal)
    this.#clusters = new Asking(() => clusterOf(kafka), isFinal)
    this.#uncommitted = new Asking(() => clusterOf(kafka, true), isFinal)
  }

  connect(): Promise<void> {
    return this.#admins.ask(async () => {})
  }

  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    return this.#admins.ask(admin => this.#topics(admin, names))
  }

  async #topics(admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    const there = new Set(await admin.listTopics())
    const wanted = names.filter(name => there.has(name))
    if (wanted.length === 0) return new Map()
    const { topics } = await admin.fetchTopicMetadata({ topics: wanted })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: wanted.map(name => ({ type: ConfigResourceTypes.TOPIC, name })),
    })
    const settingsOf = new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    )
    return new Map(
      topics.map(({ name, partitions }) => [
        name,
        {
          partitions: partitions.length,
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
          settings: settingsOf.get(name) ?? new Map(),
        },
      ]),
    )
  }

  partitions(topic: string): Promise<number> {
    return this.#admins.ask(async admin => {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
        return topics.find(({ name }) => name === topic)?.partitions.length ?? 0
      } catch (error) {
        if ((error as { readonly type?: string }).type === 'UNKNOWN_TOPIC_OR_PARTITION') return 0
        throw error
      }
    })
  }

  async create(topics: readonly NewTopic[]): Promise<void> {
    const made = topics.map(({ name, partitions, replicas, settings }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
    }))
    // Its own waiting fails on a broker that has not heard of the topic yet.
    await this.#admins.ask(admin => admin.createTopics({ waitForLeaders: false, topics: made }))
    for (const { name } of topics) await this.#untilLed(name)
  }

  async #untilLed(topic: string): Promise<void> {
    for (const untilMs = performance.now() + leadersMsMax; ; await sleep(50)) {
      try {
        const offsets = await this.#admins.ask(admin => admin.fetchTopicOffsets(topic))
        // One that was there already, with more or fewer of them, is for whoever looks at topics.
        if (offsets.length > 0) return
      } catch (error) {
        if (performance.now() > untilMs) throw error
      }
    }
  }

  async brokers(): Promise<number> {
    return (await this.#admins.ask(admin => admin.describeCluster())).brokers.length
  }

  partitionOf(key: string, partitions: number): number {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      ...{ partitionErrorCode: 0, partitionId, leader: 0, replicas: [], isr: [] },
    }))
    return partitioner({ topic: '', partitionMetadata, message: { key, value: null } })
  }

  bounds(place: Place): Promise<Bounds> {
    return this.#clusters.ask(cluster => boundsIn(cluster, place))
  }

  async high(place: Place): Promise<number> {
    return (await this.#uncommitted.ask(cluster => boundsIn(cluster, place))).end
  }

  async *read(place: Place, from: number, end: number, isUncommitted = false): AsyncGenerator<readonly KafkaRecord[]> {
    if (from >= end) return
    const ready: (readonly KafkaRecord[])[] = []
    let wake = (): void => {}
    let error: unknown
    let done = false
    let givingUp: NodeJS.Timeout | undefined
    const stop = (why: unknown): void => {
      error = why
      wake()
    }
    const tail = await this.#tail(isUncommitted, {
      places: [{ ...place, from }],
      take: async (_, records, next) => {
        const own = records.filter(({ offset }) => offset < end)
        if (own.length > 0) ready.push(own)
        done ||= next >= end
        wake()
        // What is not taken yet bounds what is fetched.
        while (ready.length > batchesMax && !done) await new Promise(resolve => setTimeout(resolve, 5))
      },
      onStopped: (_, why) => stop(why),
      onTrouble: why => {
        // What is refused stays refused; a broker that is away may come back.
        if (why !== undefined && refusalOf(why, this.#access) !== undefined) stop(why)
        else if (why !== undefined) givingUp ??= setTimeout(stop, troubleMsMax, why)
        else {
          clearTimeout(givingUp)
          givingUp = undefined
        }
      },
    })
    try {
      for (;;) {
        const batch = ready.shift()
        if (batch !== undefined) yield batch
        else if (error !== undefined) throw error
        else if (done) return
        else await new Promise<void>(resolve => (wake = resolve))
      }
    } finally {
      done = true
      clearTimeout(givingUp)
      await tail.close()
    }
  }

  tail(options: TailOptions): Promise<KafkaTail> {
    return this.#tail(false, options)
  }

  async #tail(isUncommitted: boolean, options: TailOptions): Promise<KafkaTail> {
    const clusters = isUncommitted ? this.#uncommitted : this.#clusters
    const boundsOf = (place: Place) => clusters.ask(cluster => boundsIn(cluster, place))
    const tail = new Tail(this.#kafka, options, boundsOf, isUncommitted)
    await tail.start()
    return tail
  }

  writer(transactionalId: string): Promise<KafkaWriter> {
    const sockets = new Sockets()
    return startWriter(new kafkajs.Kafka({ ...this.#config, socketFactory: sockets.factory }), sockets, transactionalId)
  }

  settle(transactionalId: string, places: readonly Place[], isCommitted: boolean): Promise<void> {
    return this.#clusters.ask(cluster => settle(cluster, transactionalId, places, isCommitted))
  }

  producer(): Promise<KafkaProducer> {
    return startProducer(this.#kafka)
  }

  share(options: ShareOptions): Promise<Share> {
    return joinShare(this.#kafka, options)
  }

  async trim({ topic, partition }: Place, offset: number): Promise<void> {
    await this.#admins.ask(async admin => {
      // Without it kafkajs knows no leader of the topic.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
    })
  }

  async close(): Promise<void> {
    await Promise.all([this.#admins, this.#clusters, this.#uncommitted].map(asking => asking.close()))
  }
}

/** Of committed records, or of all: as `cluster` reads. The last there is to readers of committed ones is the last stable offset. */
async function boundsIn(cluster: Cluster, { topic, partition }: Place): Promise<Bounds> {
  await cluster.addTargetTopic(topic)
  await cluster.refreshMetadataIfNecessary()
  const offset = async (fromBeginning: boolean): Promise<number> => {
    const [found] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }])
    if (found === undefined) throw new Error(`The topic ${topic} has no partition ${partition}.`)
    return Number(found.partitions[0]?.offset)
  }
  const end = await offset(false)
  return { low: await offset(true), end }
}

/** How long the partitions of a new topic may be without a leader. */
const leadersMsMax = 15_000
/** How long a reading that has an end goes on asking for brokers that are gone. */
const troubleMsMax = 10_000
/** Batches that wait to be taken. */
const batchesMax = 4
