import { loadConfig } from '../../service/config.ts'
import { ensureOrigin } from '../../service/first-start.ts'
import type { Context } from '../context.ts'
import { bad, type Check, note, ok } from './doctor-check.ts'

/**
 * The topics of a cluster, where AEP_LEDGER_KAFKA_BROKERS names one: as a start of the service looks at them. With `create`
 * they are made first where there are none, as the service would make them.
 */
export async function kafkaChecks(context: Context, dataDir: string, create: boolean): Promise<Check[]> {
  if (context.env['AEP_LEDGER_KAFKA_BROKERS'] === undefined) {
    return create ? [bad('Kafka', 'no cluster is named: set AEP_LEDGER_KAFKA_BROKERS')] : []
  }
  const loaded = loadConfig({ ...context.env, AEP_LEDGER_DATA_DIR: dataDir })
  if (!loaded.ok) return [bad('configuration', loaded.errors.join('; '))]
  const { config } = loaded
  const brokers = config.KAFKA_BROKERS ?? []
  const prefix = config.KAFKA_PREFIX
  try {
    const { kafkaAccess } = await import('../../service/kafka-settings.ts')
    const { examineKafka } = await import('../../log/kafka/examine.ts')
    const make = create
      ? {
          origin: ensureOrigin(dataDir, config.ORIGIN),
          partitions: config.KAFKA_PARTITIONS,
          replication: config.KAFKA_REPLICATION,
        }
      : undefined
    const found = await examineKafka(kafkaAccess(config, brokers), prefix, make)
    const there = ok('Kafka', `${found.brokers} brokers answer at ${brokers.join()}`)
    const { installation, faults } = found
    if (installation === undefined) {
      return [
        there,
        note('topics', `there are none under ${prefix}: the first start makes them, or doctor --create-topics`),
      ]
    }
    const { origin, partitions, replicas } = installation
    if (faults.length > 0) {
      return [
        there,
        ...faults.map(({ topic, what, mend }) => bad(topic, mend === undefined ? what : `${what}; mend it: ${mend}`)),
      ]
    }
    const kept = `${origin}: ${partitions} partitions, each kept ${replicas} times`
    return [there, replicas === 1 ? note('topics', `${kept}: what its one broker loses is lost`) : ok('topics', kept)]
  } catch (error) {
    return [bad('Kafka', error instanceof Error ? error.message : String(error))]
  }
}
