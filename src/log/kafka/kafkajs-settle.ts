import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import type { Place } from './client.ts'
import { isFenced } from './kafkajs-writer.ts'

/** What a broker of kafkajs 2.2.4 is asked here, and its types leave out. */
interface Coordinator {
  initProducerId(request: {
    transactionalId: string
    transactionTimeout: number
  }): Promise<{ producerId: string; producerEpoch: number }>
  addPartitionsToTxn(request: Transaction & { topics: { topic: string; partitions: number[] }[] }): Promise<unknown>
  endTxn(request: Transaction & { transactionResult: boolean }): Promise<unknown>
}

interface Transaction {
  readonly transactionalId: string
  readonly producerId: string
  readonly producerEpoch: number
}

/** `CoordinatorType` of FindCoordinator: of a transactional id, and not of a group. */
const ofTransactions = 1
/** As long as brokers allow by default: nothing but the commit itself is to end this transaction. */
const transactionMsMax = 900_000
const commitMsMax = 60_000
const againMs = 100

/**
 * One transaction of no records over `places`. The marker that ends it ends whatever its producer left open there: that is
 * the same producer for all who wrote under the id, in a later epoch (KIP-98). A producer of kafkajs can't do without records.
 */
export async function settle(
  cluster: Cluster,
  transactionalId: string,
  places: readonly Place[],
  isCommitted: boolean,
): Promise<void> {
  const coordinator = async (): Promise<Coordinator> => {
    const asked = { groupId: transactionalId, coordinatorType: ofTransactions }
    return (await cluster.findGroupCoordinator(asked)) as unknown as Coordinator
  }
  const begin = await coordinator()
  const producer = await begin.initProducerId({ transactionalId, transactionTimeout: transactionMsMax })
  const { producerId, producerEpoch } = producer
  const transaction = { transactionalId, producerId, producerEpoch }
  const topics = places.map(({ topic, partition }) => ({ topic, partitions: [partition] }))
  await begin.addPartitionsToTxn({ ...transaction, topics })
  // To begin anew would abort what is to be committed: the same end is asked for until it is there.
  for (const untilMs = performance.now() + commitMsMax; ; await sleep(againMs)) {
    try {
      await (await coordinator()).endTxn({ ...transaction, transactionResult: isCommitted })
      return
    } catch (error) {
      if (isFenced(error) || performance.now() > untilMs) throw error
    }
  }
}
