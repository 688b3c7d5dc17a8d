import { mkdirSync } from 'node:fs'
import { openEmbedded } from '../embedded/open.ts'
import type { KafkaAccess } from './access.ts'
import { kafkajsClient } from './kafkajs.ts'
import { refusalOf } from './kafkajs-refusal.ts'
import { KafkaLog } from './log.ts'
import { openPositions } from './positions.ts'
import { ensureTopics, topicsOf } from './topics.ts'

export interface KafkaLogOptions {
  /** Folder of this process alone: the replica. */
  readonly dir: string
  readonly access: KafkaAccess
  /** Begins the names of all topics, and the transactional id; `aep`. */
  readonly prefix?: string
  /** How often the topics are kept; as often as there are brokers, up to 3, when absent. */
  readonly replication?: number
}

/**
 * Opens the log in Kafka for writing, and makes its topics where there are none: takes it over from whoever wrote before,
 * and reads up to its end. Throws `LogUnreadable` for topics that would lose records, were cut off, or hold another history
 * than was read before, and `KafkaRefused` for who is not let in; what else the client throws passes through.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const { dir, access, prefix = 'aep', replication } = options
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const client = await kafkajsClient(access)
  try {
    const topics = topicsOf(prefix)
    await ensureTopics(client, topics, replication)
    const positions = openPositions(dir, Object.values(topics))
    const replica = await openEmbedded(dir)
    const log = new KafkaLog({
      client,
      topics,
      replica,
      positions,
      transactionalId: `${prefix}.ledger-0`,
    })
    try {
      await log.certain()
      return log
    } catch (error) {
      await log.close()
      throw error
    }
  } catch (error) {
    await client.close().catch(() => {})
    throw refusalOf(error, access) ?? error
  }
}
