import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { EmbeddedLog } from '../log/embedded/log.ts'
import { openEmbedded } from '../log/embedded/open.ts'
import { openKafkaLog } from '../log/kafka/open.ts'
import { positionsFile } from '../log/kafka/positions.ts'
import { LogUnreadable } from '../log/port.ts'
import type { Config } from './config.ts'

/**
 * The log that the configuration names: in Kafka where brokers are given, else in the data folder. A folder that holds the
 * one is not taken for the other: throws `LogUnreadable`.
 */
export function openLog(config: Config): Promise<EmbeddedLog> {
  const { DATA_DIR, KAFKA_BROKERS, KAFKA_PREFIX, KAFKA_REPLICATION } = config
  if (KAFKA_BROKERS === undefined) {
    if (!existsSync(join(DATA_DIR, positionsFile))) return openEmbedded(DATA_DIR)
    const why = `${DATA_DIR} holds a replica of a log in Kafka: set AEP_LEDGER_KAFKA_BROKERS, or name another data folder.`
    return Promise.reject(new LogUnreadable(why))
  }
  return openKafkaLog({
    dir: DATA_DIR,
    brokers: KAFKA_BROKERS,
    prefix: KAFKA_PREFIX,
    ...(KAFKA_REPLICATION !== undefined && { replication: KAFKA_REPLICATION }),
  })
}
