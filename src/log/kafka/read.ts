import { LogUnreadable } from '../port.ts'
import type { KafkaAccess } from './access.ts'
import type { KafkaClient, KafkaRecord } from './client.ts'
import { kafkajsClient } from './kafkajs.ts'
import { refusalOf } from './kafkajs-refusal.ts'
import { markKey } from './records.ts'
import { topicsOf } from './topics.ts'

/** The ledger topic as anybody reads it who trusts nobody: records as they stand, in their order, unjudged. */
export interface LedgerTopic {
  /** What the records' keys name, sorted. Cost: a pass over the topic. */
  ledgers(): Promise<readonly string[]>
  /** Value and `sig` header of each record under the key `ledger`, up to the end as it was when the topic was opened. */
  entries(ledger: string): AsyncIterable<readonly { readonly bytes: Uint8Array; readonly signature: Uint8Array }[]>
  close(): Promise<void>
}

/**
 * Opens the ledger topic of `prefix` for reading: makes nothing, fences nobody. Throws `KafkaRefused`, there and
 * in every reading, and what else the client throws.
 */
export async function openLedgerTopic(access: KafkaAccess, prefix: string): Promise<LedgerTopic> {
  const client = await kafkajsClient(access)
  try {
    const topic = topicsOf(prefix).ledger
    const partitions = await client.partitions(topic)
    if (partitions === 0) throw new LogUnreadable(`There is no topic ${topic} at ${access.brokers.join()}.`)
    const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const extents = await Promise.all(places.map(async place => ({ place, ...(await client.bounds(place)) })))
    /** Partitions that a key was found in, once all were read. */
    let found: Map<string, Set<number>> | undefined
    async function* records(key?: string): AsyncGenerator<readonly KafkaRecord[], void, undefined> {
      const partitions = key === undefined ? undefined : found?.get(key)
      for (const { place, low, end } of extents) {
        if (partitions === undefined || partitions.has(place.partition)) yield* read(place, low, end)
      }
    }
    const read = (...range: Parameters<KafkaClient['read']>) => readAs(client, access, ...range)
    return {
      async ledgers() {
        const places = new Map<string, Set<number>>()
        for (const { place, low, end } of extents) {
          for await (const batch of read(place, low, end)) {
            for (const { key } of batch)
              if (key !== markKey) places.set(key, (places.get(key) ?? new Set()).add(place.partition))
          }
        }
        found = places
        return [...places.keys()].sort()
      },
      async *entries(ledger) {
        for await (const batch of records(ledger)) {
          const own = batch.filter(({ key }) => key === ledger)
          if (own.length === 0) continue
          yield own.map(({ value, headers }) => ({ bytes: value, signature: headers['sig'] ?? new Uint8Array() }))
        }
      },
      close: () => client.close(),
    }
  } catch (error) {
    await client.close()
    throw refusalOf(error, access) ?? error
  }
}

/** As `client.read`; throws `KafkaRefused` where that is what an error comes to. */
export async function* readAs(
  client: KafkaClient,
  access: KafkaAccess,
  ...range: Parameters<KafkaClient['read']>
): AsyncGenerator<readonly KafkaRecord[], void, undefined> {
  try {
    yield* client.read(...range)
  } catch (error) {
    throw refusalOf(error, access) ?? error
  }
}
