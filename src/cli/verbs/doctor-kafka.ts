import type { Examined } from '../../log/kafka/examine.ts'
import type { Config } from '../../service/config.ts'
import { ensureOrigin } from '../../service/first-start.ts'
import { bad, type Check, note, ok } from './doctor-check.ts'

/**
 * The topics of a cluster, where AEP_LEDGER_KAFKA_BROKERS names one: as a start of the service looks at them. With `create`
 * they are made first where there are none, as the service would make them.
 */
export async function kafkaChecks(config: Config, create: boolean): Promise<Check[]> {
  const { KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix, KAFKA_REPLICATION: replication } = config
  if (brokers === undefined) {
    return create ? [bad('Kafka', 'no cluster is named: set AEP_LEDGER_KAFKA_BROKERS')] : []
  }
  try {
    const { kafkaAccess } = await import('../../service/kafka-settings.ts')
    const { examineKafka } = await import('../../log/kafka/examine.ts')
    const make = create
      ? { origin: ensureOrigin(config.DATA_DIR, config.ORIGIN), partitions: config.KAFKA_PARTITIONS }
      : undefined
    const found = await examineKafka(kafkaAccess(config, brokers), prefix, replication, make)
    return [
      ok('Kafka', `${found.brokers} brokers answer at ${brokers.join()}`),
      ...brokersFault(found, replication),
      ...topicChecks(found, prefix),
    ]
  } catch (error) {
    return [bad('Kafka', error instanceof Error ? error.message : String(error))]
  }
}

/** Fewer of them than a record is to be kept on. */
function brokersFault({ brokers, installation }: Examined, asked = 0): Check[] {
  if (brokers < asked) {
    const told = `AEP_LEDGER_KAFKA_REPLICATION asks for ${asked} copies, and there are ${brokers}`
    return [bad('brokers', `${told}: start more of them, or ask for fewer copies before the topics are made`)]
  }
  const copies = installation?.replicas ?? 0
  return brokers < copies
    ? [bad('brokers', `${brokers} are up, and topics are kept ${copies} times: start the rest`)]
    : []
}

function topicChecks({ brokers, installation, faults }: Examined, prefix: string): Check[] {
  if (installation === undefined) {
    const next = 'the first start makes them, or doctor --create-topics'
    return [note('topics', `there are none under ${prefix}: ${next}`)]
  }
  if (faults.length > 0) {
    return faults.map(({ topic, what, mend }) => bad(topic, mend === undefined ? what : `${what}; mend it: ${mend}`))
  }
  const { origin, partitions, replicas } = installation
  const kept = `${origin}: ${partitions} partitions, each kept ${replicas} times`
  if (replicas >= 3) return [ok('topics', kept)]
  const more = brokers < 3 ? '' : '; with AEP_LEDGER_KAFKA_REPLICATION=3 doctor says how to make more'
  return [note('topics', `${kept}: what is acknowledged may be on one broker alone, and is lost with it${more}`)]
}
