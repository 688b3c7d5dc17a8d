import { Kafka, logLevel } from 'kafkajs'
import { type NewRecord, type Place, placeText } from '../../../src/log/kafka/client.ts'
import { clusterOf } from '../../../src/log/kafka/kafkajs-asking.ts'

/** What a broker of kafkajs is asked below its producers, and its types leave out. */
interface RawBroker {
  initProducerId(request: object): Promise<{ producerId: string; producerEpoch: number }>
  produce(request: object): Promise<unknown>
}

/**
 * Writes records under a transactional id and leaves them open, while Kafka knows of no transaction over their place: what a
 * lost marker leaves behind. The broker has to take that (`transaction.partition.verification.enable=false`).
 */
export async function leaveOpen(
  brokers: readonly string[],
  transactionalId: string,
  { topic, partition }: Place,
  records: readonly NewRecord[],
): Promise<void> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const cluster = clusterOf(kafka)
  await cluster.connect()
  try {
    await cluster.addTargetTopic(topic)
    await cluster.refreshMetadata()
    const asked = { groupId: transactionalId, coordinatorType: 1 }
    const coordinator = (await cluster.findGroupCoordinator(asked)) as unknown as RawBroker
    const producer = await coordinator.initProducerId({ transactionalId, transactionTimeout: 60_000 })
    const led = cluster.findLeaderForPartitions(topic, [partition])
    const nodeId = Object.keys(led)[0]
    if (nodeId === undefined) throw new Error(`${placeText({ topic, partition })} has no leader`)
    const leader = (await cluster.findBroker({ nodeId })) as unknown as RawBroker
    const messages = records.map(({ key, value, headers }) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, Buffer.from(bytes)])),
      timestamp: String(Date.now()),
    }))
    const partitions = [{ partition, firstSequence: 0, messages }]
    await leader.produce({ transactionalId, ...producer, topicData: [{ topic, partitions }] })
  } finally {
    await cluster.disconnect()
  }
}
