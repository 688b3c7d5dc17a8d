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
}

const wanted = (topics: Topics, partitions: number): readonly Wanted[] => [
  { name: topics.ledger, partitions, settings: kept },
  { name: topics.intake, partitions, settings: stamped },
  { name: topics.heads, partitions, settings: compacted },
  { name: topics.records, partitions: 1, settings: kept },
  { name: topics.control, partitions: 1, settings: compacted },
  { name: topics.dead, partitions: 1, settings: kept },
  { name: topics.state, partitions, settings: view, isView: true },
]

/** All topics of an installation that is being made. */
export const newTopics = (topics: Topics, { partitions, replicas }: Layout): readonly NewTopic[] =>
  wanted(topics, partitions).map(({ name, partitions, settings }) => ({
    name,
    partitions,
    replicas,
    settings: { ...settings, 'min.insync.replicas': String(inSyncOf(replicas)) },
  }))

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

/** What is wrong with an installation's topics as they are, against how it was made. */
export async function topicFaults(client: KafkaClient, topics: Topics, layout: Layout): Promise<readonly TopicFault[]> {
  const all = wanted(topics, layout.partitions)
  const there = await client.topics(all.map(({ name }) => name))
  return all.flatMap(one => faultsOf(one, there.get(one.name), layout))
}

function faultsOf(one: Wanted, topic: TopicState | undefined, { replicas }: Layout): TopicFault[] {
  const { name, partitions, settings, isView } = one
  if (topic === undefined) {
    const next = isView === true ? 'the next start of a service makes it' : 'restore it from another cluster'
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
    faults.push({ topic: name, what, mend: mendOf(name, `${setting}=${value}`) })
  }
  if (topic.replicas < replicas) {
    const what = `is kept ${topic.replicas} times, and ${replicas} are asked for`
    const mend = `kafka-reassign-partitions.sh --execute, with ${replicas} replicas for each partition of ${name}`
    faults.push({ topic: name, what, mend })
  }
  const inSync = Number(topic.settings.get('min.insync.replicas') ?? 1)
  if (inSync < inSyncOf(replicas)) {
    const what = `has min.insync.replicas=${inSync}: one broker that fails could take acknowledged entries with it`
    faults.push({ topic: name, what, mend: mendOf(name, `min.insync.replicas=${inSyncOf(replicas)}`) })
  }
  return faults
}

const mendOf = (topic: string, setting: string): string =>
  `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${setting}`

/** All that is wrong, as one refusal. */
export const refusedTopics = (faults: readonly TopicFault[]): LogUnreadable =>
  new LogUnreadable(
    faults
      .map(({ topic, what, mend }) => `The topic ${topic} ${what}.${mend === undefined ? '' : ` Mend it: ${mend}`}`)
      .join('\n'),
  )
