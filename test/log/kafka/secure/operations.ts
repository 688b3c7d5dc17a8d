import kafkajs from 'kafkajs'
import { type KafkaAccess, KafkaRefused } from '../../../../src/log/kafka/access.ts'
import { type KafkaClient, sessionMs } from '../../../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../../../src/log/kafka/kafkajs.ts'
import { kafkajsAccess } from '../../../../src/log/kafka/kafkajs-access.ts'
import { refusalOf } from '../../../../src/log/kafka/kafkajs-refusal.ts'

/** The topics of an installation, without the prefix and its dot. */
export const topics = ['intake', 'ledger', 'heads', 'records', 'control', 'dead', 'state'] as const

interface Clients {
  readonly port: KafkaClient
  readonly raw: kafkajs.Kafka
}

/** All that a role might do with the topics of `aep`, by name. */
const operations: Readonly<Record<string, (clients: Clients) => Promise<unknown>>> = {
  ...Object.fromEntries(topics.map(topic => [`read ${topic}`, clients => readOne(clients, `aep.${topic}`)])),
  ...Object.fromEntries(topics.map(topic => [`write ${topic}`, clients => writeOne(clients, `aep.${topic}`)])),
  'cut intake': clients => cut(clients, 'aep.intake'),
  'cut ledger': clients => cut(clients, 'aep.ledger'),
  'settings of topics': ({ port }) => settingsOfAll(port),
  'transaction of ledger, heads and dead': ({ raw }) =>
    transact(raw, 'aep.ledger-0', ['aep.ledger', 'aep.heads', 'aep.dead']),
  'transaction of state': ({ raw }) => transact(raw, 'aep.state-0', ['aep.state']),
  'group of sequencers': clients => joinGroup(clients, 'aep.sequencers', 'aep.intake'),
  'group of followers': clients => joinGroup(clients, 'aep.followers', 'aep.ledger'),
  'group of state': clients => joinGroup(clients, 'aep.state', 'aep.state'),
}

export const operationNames = Object.keys(operations)

/** Tells which of the operations `named` the cluster lets this client do; throws what is no refusal. */
export async function allowed(access: KafkaAccess, named: readonly string[] = operationNames): Promise<string[]> {
  const port = await kafkajsClient(access)
  const raw = new kafkajs.Kafka({ ...kafkajsAccess(access), retry: { initialRetryTime: 20, retries: 5 } })
  const done: string[] = []
  try {
    for (const name of named) {
      try {
        await operations[name]?.({ port, raw })
        done.push(name)
      } catch (error) {
        if (!(refusalOf(error, access) instanceof KafkaRefused)) throw error
      }
    }
    return done
  } finally {
    await port.close()
  }
}

/** What every start looks at. Topics that may not be seen are as good as gone to it. */
async function settingsOfAll(port: KafkaClient): Promise<void> {
  const seen = await port.topics(topics.map(topic => `aep.${topic}`))
  if (seen.size < topics.length) throw new KafkaRefused(`only ${[...seen.keys()].join()} are to be seen`)
}

async function readOne({ port }: Clients, topic: string): Promise<void> {
  const place = { topic, partition: 0 }
  const { low, end } = await port.bounds(place)
  for await (const _ of port.read(place, low, end)) return
}

async function writeOne({ raw }: Clients, topic: string): Promise<void> {
  const producer = raw.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
  await producer.connect()
  try {
    await producer.send({ topic, acks: -1, messages: [{ key: 'k', value: 'v' }] })
  } finally {
    await producer.disconnect()
  }
}

async function transact(raw: kafkajs.Kafka, transactionalId: string, names: readonly string[]): Promise<void> {
  const options = { transactionalId, idempotent: true, maxInFlightRequests: 1 }
  const producer = raw.producer({ ...options, allowAutoTopicCreation: false })
  await producer.connect()
  try {
    const transaction = await producer.transaction()
    for (const topic of names) await transaction.send({ topic, acks: -1, messages: [{ key: 'k', value: 'v' }] })
    await transaction.commit()
  } finally {
    await producer.disconnect()
  }
}

async function cut({ raw }: Clients, topic: string): Promise<void> {
  const admin = raw.admin()
  await admin.connect()
  try {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '0' }] })
  } finally {
    await admin.disconnect()
  }
}

async function joinGroup({ raw }: Clients, groupId: string, topic: string): Promise<void> {
  // As the service joins: whoever didn't get to leave is waited for, and for no longer than a connection may be silent.
  const times = { maxWaitTimeInMs: 100, sessionTimeout: sessionMs, rebalanceTimeout: sessionMs, heartbeatInterval: 300 }
  // One that crashes while it is being ended would otherwise begin again, with nobody left to end it.
  const retry = { retries: 5, restartOnFailure: () => Promise.resolve(false) }
  const consumer = raw.consumer({ groupId, allowAutoTopicCreation: false, retry, ...times })
  try {
    await consumer.connect()
    await consumer.subscribe({ topic })
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.GROUP_JOIN, () => resolve())
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
}
