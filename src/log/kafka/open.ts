import { mkdirSync } from 'node:fs'
import type { EmbeddedLog } from '../embedded/log.ts'
import { openEmbedded } from '../embedded/open.ts'
import { LogUnreadable } from '../port.ts'
import type { KafkaAccess } from './access.ts'
import type { KafkaClient } from './client.ts'
import { connectKafka, refusalOf } from './connect.ts'
import { ensureInstallation, type Installation, type Proposal, readInstallation } from './installation.ts'
import { KafkaLog } from './log.ts'
import { openPositions } from './positions.ts'
import { Replica, type ReplicaListener } from './replica.ts'
import { type Topics, topicsOf } from './topics.ts'

export interface KafkaLogOptions extends Partial<Proposal> {
  /** Folder of this process alone: the replica. */
  readonly dir: string
  readonly access: KafkaAccess
  /** Begins the names of all topics, of the groups and of the transactional ids; `aep`. */
  readonly prefix?: string
  /** Who hears of what comes to stand in the replica; asked once it is open, before it goes on. */
  readonly listener?: (replica: EmbeddedLog) => Promise<ReplicaListener>
}

/** Partitions of an installation that is made and was not told otherwise. */
export const partitionsDefault = 6

/**
 * Opens the log in Kafka, makes its topics where there are none, and resolves when this process's replica has everything that
 * was committed. Nobody is fenced by it. Throws `LogUnreadable` for topics that would lose records, were cut off, or hold
 * another history than was read before, and `KafkaRefused` for who is not let in; what else the client throws passes through.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const {
    dir,
    access,
    prefix = 'aep',
    origin = 'ledger.invalid',
    partitions = partitionsDefault,
    replication,
  } = options
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const client = await connectKafka(access)
  try {
    const topics = topicsOf(prefix)
    const installation = await ensureInstallation(
      client,
      topics,
      `${prefix}.setup`,
      {
        origin,
        partitions,
        replication,
      },
      access.brokers,
    )
    const positions = openPositions(dir, [topics.ledger, topics.records, topics.control])
    const store = await openEmbedded(dir)
    try {
      const listener = (await options.listener?.(store)) ?? {}
      const replica = new Replica({
        ...{ log: store, positions, topic: topics.ledger, listener },
        partitionOf: ledger => client.partitionOf(ledger, installation.partitions),
      })
      return await KafkaLog.start({ client, topics, prefix, installation, store, positions, replica })
    } catch (error) {
      await store.close()
      throw error
    }
  } catch (error) {
    await client.close().catch(() => {})
    throw refusalOf(error, access) ?? error
  }
}

/** The topics of an installation that is there, without a replica of them. */
export interface KafkaTopics {
  readonly client: KafkaClient
  readonly topics: Topics
  readonly installation: Installation
}

/** Makes nothing, fences nobody. Throws `LogUnreadable` where there is no installation, and `KafkaRefused`; the client is the caller's to close. */
export async function openKafkaTopics(access: KafkaAccess, prefix: string): Promise<KafkaTopics> {
  const client = await connectKafka(access)
  try {
    const topics = topicsOf(prefix)
    const installation = await readInstallation(client, topics)
    if (installation !== undefined) return { client, topics, installation }
    throw new LogUnreadable(`There is no ledger under the prefix ${prefix} at ${access.brokers.join()}.`)
  } catch (error) {
    await client.close().catch(() => {})
    throw refusalOf(error, access) ?? error
  }
}
