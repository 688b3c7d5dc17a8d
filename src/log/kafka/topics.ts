import { LogUnreadable } from '../port.ts'
import type { KafkaClient, NewTopic, TopicState } from './client.ts'

/** The topics of one installation. */
export interface Topics {
  /** Events that were accepted and have no place yet; a partition of it goes into the ledger partition of that number. */
  readonly intake: string
  /** Entries, keyed by ledger: the truth. */
  readonly ledger: string
  /** The newest head of each ledger, keyed by it, written with its entries. */
  readonly heads: string
  /** Records too large for an entry, in parts, keyed by digest. */
  readonly records: string
  /** What the installation is, and its tokens; the newest of each key counts. */
  readonly control: string
  /** What stood in intake and was not taken. */
  readonly dead: string
  /** The state view's rows, the newest of each: made from the entries, and made again where it is gone. */
  readonly state: string
}

export const topicsOf = (prefix: string): Topics => ({
  intake: `${prefix}.intake`,
  ledger: `${prefix}.ledger`,
  heads: `${prefix}.heads`,
  records: `${prefix}.records`,
  control: `${prefix}.control`,
  dead: `${prefix}.dead`,
  state: `${prefix}.state`,
})

/** What a topic must be set to so that nothing of it is lost. */
const kept = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'unclean.leader.election.enable': 'false',
} as const
const compacted = { 'cleanup.policy': 'compact', 'unclean.leader.election.enable': 'false' } as const
/** Compacts soon, so that whoever starts reads little: a segment that is written to is left alone for a week otherwise. */
const soon = {
  'segment.ms': String(3_600_000),
  'segment.bytes': String(64 << 20),
  'min.cleanable.dirty.ratio': '0.1',
} as const
/**
 * Rows of a view. Whoever has read it up to some offset finds each step whole behind it for an hour, and for a year which
 * rows were taken away. One row may be larger than brokers take by default.
 */
const view = {
  ...compacted,
  'min.compaction.lag.ms': String(3_600_000),
  'delete.retention.ms': String(365 * 86_400_000),
  'max.message.bytes': String(16 << 20),
} as const
/** The broker says when it took a record: what a stamp of intake is held against. */
const stamped = { ...kept, 'message.timestamp.type': 'LogAppendTime' } as const

/** How an installation was made, which no start may change. */
export interface Layout {
  /** Of the intake, ledger and heads topics. */
  readonly partitions: number
  /** Copies of every topic. */
  readonly replicas: number
}

interface Wanted {
  readonly name: string
  readonly partitions: number
  /** Nothing is lost with it. */
  readonly isView?: true
  readonly settings: Readonly<Record<string, string>>
  /** What it is made with besides, and need not have. */
  readonly advised?: Readonly<Record<string, string>>
}

const wanted = (topics: Topics, partitions: number): readonly Wanted[] => [
  { name: topics.ledger, partitions, settings: kept },
  { name: topics.intake, partitions, settings: stamped },
  { name: topics.heads, partitions, settings: compacted, advised: soon },
  { name: topics.records, partitions: 1, settings: kept },
  { name: topics.control, partitions: 1, settings: compacted },
  { name: topics.dead, partitions: 1, settings: kept },
  { name: topics.state, partitions, settings: view, isView: true },
]

/** All topics of an installation that is being made. */
export const newTopics = (topics: Topics, { partitions, replicas }: Layout): readonly NewTopic[] =>
  wanted(topics, partitions).map(({ name, partitions, settings, advised }) => ({
    name,
    partitions,
    replicas,
    settings: {
      'max.message.bytes': String(messageBytesMin),
      ...settings,
      ...advised,
      'min.insync.replicas': String(inSyncOf(replicas)),
    },
  }))

/** What Kafka takes in one batch unless it is told otherwise, and ours may have. */
const messageBytesMin = 1_048_588

const inSyncOf = (replicas: number): number => (replicas >= 3 ? 2 : 1)

/** Makes topics of views that are gone: nothing is lost with them. */
export async function ensureViews(client: KafkaClient, topics: Topics, layout: Layout): Promise<void> {
  const views = new Set(
    wanted(topics, layout.partitions).flatMap(({ name, isView }) => (isView === true ? [name] : [])),
  )
  const there = await client.topics([...views])
  const gone = newTopics(topics, layout).filter(({ name }) => views.has(name) && !there.has(name))
  if (gone.length > 0) await client.create(gone)
}

/** Something about a topic that would lose what is written to it, and the command that mends it, where there is one. */
export interface TopicFault {
  readonly topic: string
  readonly what: string
  readonly mend?: string
}

/** What is wrong with an installation's topics as they are, against how it was made. Commands that mend it speak to `brokers`. */
export async function topicFaults(
  client: KafkaClient,
  topics: Topics,
  layout: Layout,
  brokers: readonly string[],
): Promise<readonly TopicFault[]> {
  const all = wanted(topics, layout.partitions)
  const there = await client.topics(all.map(({ name }) => name))
  return all.flatMap(one => faultsOf(one, there.get(one.name), layout, brokers.join()))
}

function faultsOf(one: Wanted, topic: TopicState | undefined, { replicas }: Layout, brokers: string): TopicFault[] {
  const { name, partitions, settings, isView } = one
  const mendOf = (setting: string): string =>
    `kafka-configs.sh --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${name} --add-config ${setting}`
  if (topic === undefined) {
    const next =
      isView === true
        ? 'the next start of a service makes it'
        : 'carry the ledgers from another cluster or a replica’s folder to topics of another prefix, with aep-ledger copy'
    return [{ topic: name, what: `is gone: ${next}` }]
  }
  const faults: TopicFault[] = []
  if (topic.partitions !== partitions) {
    const what = `has ${topic.partitions} partitions, and was made with ${partitions}: ledgers would be looked for in the wrong ones`
    faults.push({ topic: name, what })
  }
  for (const [setting, value] of Object.entries(settings)) {
    const found = topic.settings.get(setting)
    if (found === value) continue
    const what = `has ${setting}=${found}: it would not keep what is written to it`
    faults.push({ topic: name, what, mend: mendOf(`${setting}=${value}`) })
  }
  if (topic.replicas < replicas) {
    const what = `is kept ${topic.replicas} times, and ${replicas} are asked for`
    const plan = {
      version: 1,
      partitions: Array.from({ length: partitions }, (_, partition) => ({
        ...{ topic: name, partition },
        replicas: Array.from({ length: replicas }, (_, n) => ((partition + n) % replicas) + 1),
      })),
    }
    const mend =
      `kafka-reassign-partitions.sh --bootstrap-server ${brokers} --execute --reassignment-json-file FILE, where FILE holds, ` +
      `with the ids of your brokers for 1 to ${replicas}: ${JSON.stringify(plan)}`
    faults.push({ topic: name, what, mend })
  }
  const bytesMax = Number(topic.settings.get('max.message.bytes') ?? messageBytesMin)
  if (bytesMax < messageBytesMin) {
    const what = `has max.message.bytes=${bytesMax}: what is written there may be as large as ${messageBytesMin}`
    faults.push({ topic: name, what, mend: mendOf(`max.message.bytes=${messageBytesMin}`) })
  }
  const inSync = Number(topic.settings.get('min.insync.replicas') ?? 1)
  if (inSync < inSyncOf(replicas)) {
    const what = `has min.insync.replicas=${inSync}: one broker that fails could take acknowledged entries with it`
    faults.push({ topic: name, what, mend: mendOf(`min.insync.replicas=${inSyncOf(replicas)}`) })
  }
  return faults
}

/** All that is wrong, as one refusal. */
export const refusedTopics = (faults: readonly TopicFault[]): LogUnreadable =>
  new LogUnreadable(
    faults
      .map(({ topic, what, mend }) => `The topic ${topic} ${what}.${mend === undefined ? '' : ` Mend it: ${mend}`}`)
      .join('\n'),
  )
