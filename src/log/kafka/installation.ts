import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '../../base/bytes.ts'
import { LogUnreadable } from '../port.ts'
import { Fenced, type KafkaClient, NotCommitted, type Place } from './client.ts'
import { ensureViews, type Layout, newTopics, refusedTopics, type Topics, topicFaults } from './topics.ts'

/** What the first start of all fixed for every other one. */
export interface Installation extends Layout {
  /** Begins the origins of all ledgers. */
  readonly origin: string
}

/** What this process would have it be, if it is the first. */
export interface Proposal {
  readonly origin: string
  readonly partitions: number
  /** As often as there are brokers, up to 3, when absent. */
  readonly replication?: number | undefined
}

/** Key of its record in the control topic. Tokens stand under `token/<id>`. */
const installationKey = 'installation'
const tries = 20

/**
 * The installation behind `topics`, its topics kept as often as is asked for. `brokers` are those that it is reached at. Throws
 * `LogUnreadable` where topics are gone or would lose what is written to them.
 */
export async function ensureInstallation(
  client: KafkaClient,
  topics: Topics,
  setupId: string,
  proposal: Proposal,
  brokers: readonly string[],
): Promise<Installation> {
  const found = asAsked(await foundOrMade(client, topics, setupId, proposal), proposal.replication)
  const faults = await topicFaults(client, topics, found, brokers)
  if (faults.length > 0) throw refusedTopics(faults)
  return found
}

/**
 * The installation as the control topic says, or made by this call, unjudged. Several processes may start it at once: one of
 * them makes it.
 */
export async function foundOrMade(
  client: KafkaClient,
  topics: Topics,
  setupId: string,
  proposal: Proposal,
): Promise<Installation> {
  const found = (await readInstallation(client, topics)) ?? (await make(client, topics, setupId, proposal))
  await ensureViews(client, topics, found)
  return found
}

/** An installation as it has to be: with the copies that it was made with, or more, where more are asked for. */
export const asAsked = (made: Installation, replication: number | undefined): Installation => ({
  ...made,
  replicas: Math.max(made.replicas, replication ?? 0),
})

/** What the control topic says; `undefined` where there is none, or nothing in it. */
export async function readInstallation(client: KafkaClient, topics: Topics): Promise<Installation | undefined> {
  if (!(await client.topics([topics.control])).has(topics.control)) return undefined
  const place: Place = { topic: topics.control, partition: 0 }
  const { low, end } = await client.bounds(place)
  let found: Installation | undefined
  for await (const records of client.read(place, low, end)) {
    for (const { key, value } of records) if (key === installationKey) found = parse(value)
  }
  return found
}

async function make(
  client: KafkaClient,
  topics: Topics,
  setupId: string,
  { origin, partitions, replication }: Proposal,
): Promise<Installation> {
  const made: Installation = { origin, partitions, replicas: replication ?? Math.min(3, await client.brokers()) }
  for (let n = 0; ; n++) {
    const all = newTopics(topics, made)
    const there = await client.topics(all.map(({ name }) => name))
    // Made one by one, for of two processes that make them at once each may find some there.
    for (const topic of all) if (!there.has(topic.name)) await client.create([topic])
    // Whoever takes the id over last reads last: nobody can write behind it what it has not read.
    const writer = await client.writer(setupId)
    try {
      const found = await readInstallation(client, topics)
      if (found !== undefined) return found
      const value = utf8(JSON.stringify(made))
      await writer.commit([{ topic: topics.control, partition: 0, key: installationKey, value, headers: {} }])
      return made
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof NotCommitted) || n === tries) throw error
      await sleep(50 * (n + 1))
    } finally {
      await writer.close().catch(() => {})
    }
  }
}

function parse(value: Uint8Array): Installation {
  try {
    const { origin, partitions, replicas } = JSON.parse(Buffer.from(value).toString()) as Installation
    if (typeof origin === 'string' && partitions >= 1 && replicas >= 1) return { origin, partitions, replicas }
  } catch {}
  throw new LogUnreadable('The control topic holds no description of the installation that this version can read.')
}
