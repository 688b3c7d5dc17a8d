import type { KafkaLog } from '../../log/kafka/log.ts'
import type { LogReader } from '../../log/port.ts'
import type { Config } from '../config.ts'

/**
 * The log as far as this process keeps rows of it in ClickHouse. Where several share a server, a group shares the partitions
 * out among them; what two insert for a moment, the server recognises. With an engine of its own, a process follows all.
 */
export async function followedPart(
  { ROLES, CLICKHOUSE_URL, KAFKA_PREFIX }: Config,
  log: KafkaLog,
  closers: (() => Promise<unknown>)[],
): Promise<LogReader> {
  if (!ROLES.includes('follower') || CLICKHOUSE_URL === undefined) return log
  let assigned = new Set<number>()
  const share = await log.client.share({
    group: `${KAFKA_PREFIX}.followers`,
    topic: log.topics.ledger,
    onAssigned: partitions => {
      assigned = new Set(partitions)
    },
    onTrouble: () => {},
  })
  closers.push(() => share.close())
  return {
    ledgers: async () => (await log.ledgers()).filter(ledger => assigned.has(log.partitionOf(ledger).number)),
    head: ledger => log.head(ledger),
    read: (...query) => log.read(...query),
    find: (...query) => log.find(...query),
    record: digest => log.record(digest),
  }
}
