import type { TokenRecord } from '../control.ts'
import { LogUnreadable } from '../port.ts'
import type { KafkaClient } from './client.ts'
import { kafkajsClient } from './kafkajs.ts'
import { PartReader } from './records.ts'
import { topicsOf } from './topics.ts'

/** What Kafka keeps beside the ledger topic, for whoever copies it: read as it stands, and nobody is fenced. */
export interface KeptBeside {
  /** Whether there is a ledger topic at all. Asking for it makes none. */
  readonly hasLedgers: boolean
  /** Every record that can be put together, as it came: whether its bytes are those of its digest is not asked. */
  records(): AsyncIterable<{ readonly digest: string; readonly bytes: Uint8Array }>
  /** The newest record of each token. */
  tokens(): Promise<readonly TokenRecord[]>
  close(): Promise<void>
}

/** Opens what lies beside the ledger topic of `prefix`. Throws what the client throws. */
export async function openKeptBeside(brokers: readonly string[], prefix: string): Promise<KeptBeside> {
  const client = await kafkajsClient(brokers)
  try {
    const names = topicsOf(prefix)
    const there = await client.topics([names.ledger, names.records, names.control])
    return {
      hasLedgers: there.has(names.ledger),
      async *records() {
        if (there.has(names.records)) yield* wholeRecords(client, names.records)
      },
      async tokens() {
        return there.has(names.control) ? newestTokens(client, names.control) : []
      },
      close: () => client.close(),
    }
  } catch (error) {
    await client.close()
    throw error
  }
}

async function* wholeRecords(
  client: KafkaClient,
  topic: string,
): AsyncGenerator<{ readonly digest: string; readonly bytes: Uint8Array }> {
  const { low, end } = await client.bounds(topic)
  let parts = new PartReader()
  for await (const records of client.read(topic, low, end)) {
    for (const record of records) {
      try {
        const whole = parts.take(record)
        if (whole !== undefined) yield whole
      } catch (error) {
        if (!(error instanceof LogUnreadable)) throw error
        // Who misses the record that this was a part of says so, and names the entry.
        parts = new PartReader()
      }
    }
  }
}

async function newestTokens(client: KafkaClient, topic: string): Promise<readonly TokenRecord[]> {
  const { low, end } = await client.bounds(topic)
  const tokens = new Map<string, TokenRecord>()
  for await (const records of client.read(topic, low, end)) {
    for (const { key, value } of records) {
      const token = tokenOf(value)
      if (token?.id === key) tokens.set(key, token)
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
