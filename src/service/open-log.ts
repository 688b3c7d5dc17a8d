import type { EmbeddedLog } from '../log/embedded/log.ts'
import { openEmbedded } from '../log/embedded/open.ts'
import { openKafkaLog } from '../log/kafka/open.ts'
import type { Config } from './config.ts'

/** The log that the configuration names: in Kafka where brokers are given, else in the data folder. */
export function openLog(config: Config): Promise<EmbeddedLog> {
  const { DATA_DIR, KAFKA_BROKERS, KAFKA_PREFIX, KAFKA_REPLICATION } = config
  if (KAFKA_BROKERS === undefined) return openEmbedded(DATA_DIR)
  return openKafkaLog({
    dir: DATA_DIR,
    brokers: KAFKA_BROKERS,
    prefix: KAFKA_PREFIX,
    ...(KAFKA_REPLICATION !== undefined && { replication: KAFKA_REPLICATION }),
  })
}
