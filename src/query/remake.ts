import type { StoredEntry } from '../ledger/entry.ts'
import { Connection } from './clickhouse/connection.ts'
import { type ClickHouseOptions, openClickHouse } from './clickhouse.ts'
import { type ClickHouseServer, databaseDefault } from './server.ts'
import { rowsTable } from './tables.ts'

/** The log that rows are made from. */
export interface RemakeLog {
  ledgers(): Promise<readonly string[]>
  read(ledger: string, from: number, limit: number): Promise<readonly StoredEntry[]>
}

export interface RemakeOptions extends ClickHouseOptions {
  /** After each insert, with the rows made so far, over all ledgers. May throw, to end it; the old rows stay then. */
  readonly onMade?: (rows: number) => void
}

/** Entries that one insert takes. */
const insertEntriesMax = 10_000
/** The old rows give way as soon as a round over all ledgers found no more than this: followers fill in the rest. */
const lateMax = insertEntriesMax

/**
 * Makes all rows again from the log, in a database beside the one that serves, and puts them in its place at once: searches are
 * answered from the old ones until then, and followers go on inserting. What came meanwhile is inserted again by them, from where
 * the new rows end. Gives the number of rows made; throws `Fault('query-unavailable')`, and leaves the old rows as they were.
 */
export async function remakeRows(
  server: ClickHouseServer,
  log: RemakeLog,
  { hashLeaf, onMade }: RemakeOptions,
): Promise<number> {
  const { database = databaseDefault, cluster } = server
  const beside = besideOf(database)
  const everywhere = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  const main = new Connection(server, () => {})
  const drop = () => main.command(`DROP DATABASE IF EXISTS ${beside}${everywhere} SYNC`, {})
  try {
    // Of one that was cut off.
    await drop()
    const rows = await openClickHouse({ ...parts(server), database: beside }, { hashLeaf })
    let made = 0
    try {
      await rows.check()
      const next = new Map<string, number>()
      for (let came = Number.POSITIVE_INFINITY; came > lateMax; ) {
        came = 0
        for (const ledger of await log.ledgers()) {
          for (;;) {
            const from = next.get(ledger) ?? 0
            const entries = await log.read(ledger, from, insertEntriesMax)
            if (entries.length === 0) break
            await rows.insert(ledger, entries)
            next.set(ledger, from + entries.length)
            came += entries.length
            made += entries.length
            onMade?.(made)
          }
        }
      }
    } finally {
      await rows.close()
    }
    await main.command(`EXCHANGE TABLES ${database}.${rowsTable} AND ${beside}.${rowsTable}${everywhere}`, {})
    return made
  } finally {
    await drop().catch(() => {})
    await main.close()
  }
}

/** Name of the database beside another, as long as ClickHouse allows. */
const besideOf = (database: string): string => `${database.slice(0, 55)}_remade`

/** The members, read once: a server of its own changes none. */
const parts = ({ url, writer, reader, cluster }: ClickHouseServer): ClickHouseServer => ({
  ...{ url, writer },
  ...(reader !== undefined && { reader }),
  ...(cluster !== undefined && { cluster }),
})
