import { type TokenRecord, tokenPrefix } from '../control.ts'
import { LogUnreadable } from '../port.ts'
import type { KafkaAccess } from './access.ts'
import type { KafkaRecord } from './client.ts'
import { connectKafka, refusalOf } from './connect.ts'
import { PartReader } from './records.ts'
import { topicsOf } from './topics.ts'

/** What Kafka keeps beside the ledger topic, for whoever verifies or copies it: read as it stands, and nobody is fenced. */
export interface KeptBeside {
  /** Every record that can be put together, as it came: whether its bytes are those of its digest is not asked. */
  records(): AsyncIterable<{ readonly digest: string; readonly bytes: Uint8Array }>
  /** The newest record of each token. */
  tokens(): Promise<readonly TokenRecord[]>
  close(): Promise<void>
}

/**
 * Opens what lies beside the ledger topic of `prefix`. Throws `KafkaRefused`, there and in every reading, and what else the client
 * throws. Of each topic no more is asked than who may read it is permitted.
 */
export async function openKeptBeside(access: KafkaAccess, prefix: string): Promise<KeptBeside> {
  const client = await connectKafka(access)
  const names = topicsOf(prefix)
  async function* all(topic: string): AsyncGenerator<readonly KafkaRecord[], void, undefined> {
    const place = { topic, partition: 0 }
    try {
      if ((await client.partitions(topic)) === 0) return
      const { low, end } = await client.bounds(place)
      yield* client.read(place, low, end)
    } catch (error) {
      throw refusalOf(error, access) ?? error
    }
  }
  return {
    records: () => wholeRecords(all(names.records)),
    tokens: () => newestTokens(all(names.control)),
    close: () => client.close(),
  }
}

async function* wholeRecords(
  batches: AsyncIterable<readonly KafkaRecord[]>,
): AsyncGenerator<{ readonly digest: string; readonly bytes: Uint8Array }> {
  const parts = new PartReader()
  for await (const records of batches) {
    for (const record of records) {
      try {
        const whole = parts.take(record)
        if (whole !== undefined) yield whole
      } catch (error) {
        // Who misses the record that this was to be a part of says so, and names the entry.
        if (!(error instanceof LogUnreadable)) throw error
      }
    }
  }
}

async function newestTokens(batches: AsyncIterable<readonly KafkaRecord[]>): Promise<readonly TokenRecord[]> {
  const tokens = new Map<string, TokenRecord>()
  for await (const records of batches) {
    for (const { key, value } of records) {
      const token = tokenOf(value)
      if (token !== undefined && key === tokenPrefix + token.id) tokens.set(key, token)
    }
  }
  return [...tokens.values()]
}

/** The token record that these bytes are; the topic may hold other things. */
function tokenOf(bytes: Uint8Array): TokenRecord | undefined {
  try {
    const token = JSON.parse(Buffer.from(bytes).toString()) as Partial<TokenRecord>
    const isOne =
      typeof token.id === 'string' && /^[0-9a-f]{64}$/.test(token.sha256 ?? '') && Array.isArray(token.ledgers)
    return isOne ? (token as TokenRecord) : undefined
  } catch {
    return undefined
  }
}
