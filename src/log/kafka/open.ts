import { mkdirSync } from 'node:fs'
import type { EmbeddedLog } from '../embedded/log.ts'
import { openEmbedded } from '../embedded/open.ts'
import type { KafkaAccess } from './access.ts'
import { ensureInstallation, type Proposal } from './installation.ts'
import { kafkajsClient } from './kafkajs.ts'
import { refusalOf } from './kafkajs-refusal.ts'
import { KafkaLog } from './log.ts'
import { openPositions } from './positions.ts'
import { Replica, type ReplicaListener } from './replica.ts'
import { topicsOf } from './topics.ts'

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
  const client = await kafkajsClient(access)
  try {
    const topics = topicsOf(prefix)
    const installation = await ensureInstallation(client, topics, `${prefix}.setup`, {
      origin,
      partitions,
      replication,
    })
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
