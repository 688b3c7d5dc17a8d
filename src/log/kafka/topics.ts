import { LogUnreadable } from '../port.ts'
import type { KafkaClient } from './client.ts'

/** The topics of one installation. */
export interface Topics {
  /** Entries, keyed by ledger: the truth. */
  readonly ledger: string
  /** Records too large for an entry, in parts, keyed by digest. */
  readonly records: string
  /** Token records, keyed by id; the newest of each counts. */
  readonly control: string
}

export const topicsOf = (prefix: string): Topics => ({
  ledger: `${prefix}.ledger`,
  records: `${prefix}.records`,
  control: `${prefix}.control`,
})

/** What a topic that holds evidence must be set to. */
const kept = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'unclean.leader.election.enable': 'false',
} as const

/**
 * Makes the topics that are not there, `replication` times over, and refuses those that would lose what is written to them:
 * throws `LogUnreadable` with the command that mends it.
 */
export async function ensureTopics(
  client: KafkaClient,
  topics: Topics,
  replication: number | undefined,
): Promise<void> {
  const replicas = replication ?? Math.min(3, await client.brokers())
  const inSync = replicas >= 3 ? 2 : 1
  const evidence = [topics.ledger, topics.records]
  const names = [...evidence, topics.control]
  const there = await client.topics(names)
  const missing = names.filter(name => !there.has(name))
  await client.create(
    missing.map(name => ({
      name,
      replicas,
      settings: {
        ...(evidence.includes(name) ? kept : { 'cleanup.policy': 'compact' }),
        'min.insync.replicas': String(inSync),
      },
    })),
  )
  for (const name of evidence) {
    const topic = there.get(name)
    if (topic === undefined) continue
    if (topic.partitions !== 1)
      throw refused(name, `has ${topic.partitions} partitions, and is read and written as one`)
    for (const [setting, value] of Object.entries(kept)) {
      const found = topic.settings.get(setting)
      if (found !== value) throw refused(name, `has ${setting}=${found}`, `${setting}=${value}`)
    }
    if (replication !== undefined && topic.replicas < replication) {
      throw refused(name, `is kept ${topic.replicas} times, and ${replication} are asked for`)
    }
  }
}

function refused(topic: string, what: string, mend?: string): LogUnreadable {
  const command =
    mend === undefined
      ? ''
      : ` Mend it: kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${mend}`
  return new LogUnreadable(`The topic ${topic} ${what}: it would not keep what is written to it.${command}`)
}
