import { LogUnreadable } from '../port.ts'
import type { KafkaAccess } from './access.ts'
import type { Bounds, KafkaClient, KafkaRecord } from './client.ts'
import { connectKafka, refusalOf } from './connect.ts'
import { markKey } from './records.ts'
import { topicsOf } from './topics.ts'

/** The ledger topic as anybody reads it who trusts nobody: records as they stand, in their order, unjudged. */
export interface LedgerTopic {
  /** What the records' keys name, sorted. Cost: a pass over the topic. */
  ledgers(): Promise<readonly string[]>
  /**
   * Value and `sig` header of each record under the key `ledger`, up to the end as it was when the topic was opened. Cost: a pass
   * over its partition from its first record to its last, once `ledgers` was asked; before, over the topic.
   */
  entries(ledger: string): AsyncIterable<readonly { readonly bytes: Uint8Array; readonly signature: Uint8Array }[]>
  close(): Promise<void>
}

/**
 * Opens the ledger topic of `prefix` for reading: makes nothing, fences nobody. Throws `KafkaRefused`, there and
 * in every reading, and what else the client throws.
 */
export async function openLedgerTopic(access: KafkaAccess, prefix: string): Promise<LedgerTopic> {
  const client = await connectKafka(access)
  try {
    const topic = topicsOf(prefix).ledger
    const partitions = await client.partitions(topic)
    if (partitions === 0) throw new LogUnreadable(`There is no topic ${topic} at ${access.brokers.join()}.`)
    const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const extents = await Promise.all(places.map(async place => ({ place, ...(await client.bounds(place)) })))
    /** Where the records of a key begin and end in each partition that has any, once all were read. */
    let found: Map<string, Map<number, Bounds>> | undefined
    async function* records(key: string): AsyncGenerator<readonly KafkaRecord[], void, undefined> {
      for (const { place, low, end } of extents) {
        const part = found === undefined ? { low, end } : found.get(key)?.get(place.partition)
        if (part !== undefined) yield* read(place, part.low, part.end)
      }
    }
    const read = (...range: Parameters<KafkaClient['read']>) => readAs(client, access, ...range)
    return {
      async ledgers() {
        const parts = new Map<string, Map<number, Bounds>>()
        for (const { place, low, end } of extents) {
          for await (const batch of read(place, low, end)) {
            for (const { key, offset } of batch) {
              if (key === markKey) continue
              const own = parts.get(key) ?? new Map<number, Bounds>()
              parts.set(
                key,
                own.set(place.partition, { low: own.get(place.partition)?.low ?? offset, end: offset + 1 }),
              )
            }
          }
        }
        found = parts
        return [...parts.keys()].sort()
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
async function* readAs(
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
