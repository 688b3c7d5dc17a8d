import { createClient } from '@clickhouse/client'
import type { Engine } from '../../src/query/engine.ts'

/** Asks the engine past all code of ours, as its writer: rows of a SELECT, nothing of a command, whose mutation is done then. */
export async function askEngine<T>({ url, writer }: Engine, query: string): Promise<T[]> {
  const { origin, pathname } = new URL(url)
  const client = createClient({ url: origin, pathname, ...writer, log: { level: 127 } })
  try {
    if (query.startsWith('SELECT')) return await (await client.query({ query, format: 'JSONEachRow' })).json<T>()
    await client.command({ query, clickhouse_settings: { mutations_sync: '2' } })
    return []
  } finally {
    await client.close()
  }
}
