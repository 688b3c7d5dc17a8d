import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EmbeddedLog } from '../log/embedded/log.ts'
import { openEmbedded } from '../log/embedded/open.ts'
import { KafkaRefused } from '../log/kafka/access.ts'
import { type KafkaLogOptions, openKafkaLog } from '../log/kafka/open.ts'
import { positionsFile } from '../log/kafka/positions.ts'
import { LogInUse, LogUnreadable, NotWritten } from '../log/port.ts'
import type { Config } from './config.ts'
import { kafkaAccess } from './kafka-settings.ts'

/**
 * The log that the configuration names: in Kafka where brokers are given, else in the data folder. Waits for brokers that
 * do not answer yet; throws `KafkaRefused` at once for those that refuse this service. A folder that holds the one is not taken for the other: throws `LogUnreadable`.
 */
export async function openLog(config: Config, logger: Logger): Promise<EmbeddedLog> {
  const { DATA_DIR, KAFKA_BROKERS, KAFKA_PREFIX, KAFKA_REPLICATION } = config
  if (KAFKA_BROKERS !== undefined) {
    return whenThere(logger, {
      dir: DATA_DIR,
      access: kafkaAccess(config, KAFKA_BROKERS),
      prefix: KAFKA_PREFIX,
      ...(KAFKA_REPLICATION !== undefined && { replication: KAFKA_REPLICATION }),
    })
  }
  if (!existsSync(join(DATA_DIR, positionsFile))) return openEmbedded(DATA_DIR)
  throw new LogUnreadable(
    `${DATA_DIR} holds a replica of a log in Kafka: set AEP_LEDGER_KAFKA_BROKERS, or name another data folder.`,
  )
}

const waitMsMin = 500
const waitMsMax = 10_000

async function whenThere(logger: Logger, options: KafkaLogOptions): Promise<EmbeddedLog> {
  for (let waitMs = waitMsMin; ; waitMs = Math.min(2 * waitMs, waitMsMax)) {
    try {
      return await openKafkaLog(options)
    } catch (error) {
      if (error instanceof KafkaRefused) logger.fatal({ err: error }, 'Kafka does not let this service in, so it ends')
      if (isForPeople(error)) throw error
      logger.warn({ err: error, retryInMs: waitMs }, 'Kafka is not to be had yet; it is tried again')
      await sleep(waitMs)
    }
  }
}

/** Whether it takes somebody to mend it, so that trying again is no use. */
const isForPeople = (error: unknown): boolean =>
  error instanceof KafkaRefused ||
  error instanceof LogUnreadable ||
  error instanceof LogInUse ||
  (error instanceof NotWritten && error.reason !== 'failed')
