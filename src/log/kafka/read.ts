import type { KafkaAccess } from './access.ts'
import type { KafkaRecord } from './client.ts'
import { kafkajsClient } from './kafkajs.ts'
import { refusalOf } from './kafkajs-refusal.ts'
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
    const { low, end } = await client.bounds(topic)
    const read = async function* (): AsyncGenerator<readonly KafkaRecord[]> {
      try {
        yield* client.read(topic, low, end)
      } catch (error) {
        throw refusalOf(error, access) ?? error
      }
    }
    return {
      async ledgers() {
        const names = new Set<string>()
        for await (const records of read()) for (const { key } of records) names.add(key)
        return [...names].sort()
      },
      async *entries(ledger) {
        for await (const records of read()) {
          const own = records.filter(({ key }) => key === ledger)
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
