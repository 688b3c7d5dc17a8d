import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { resolveLibchdb } from 'chdb/libchdb'
import { checkCluster, checked, hasTables, readMigrations } from './clickhouse/migrate.ts'
import { columns } from './clickhouse/row-binary.ts'
import { type ClickHouseServer, databaseDefault } from './server.ts'
import { rowsTable } from './tables.ts'

/** What is to be said of a ClickHouse server before anybody writes to it. */
export interface ExaminedServer {
  readonly version: string
  /** `behind`: they are an older version's, or some are gone. A service makes what is missing when it connects. */
  readonly tables: 'none' | 'behind' | 'ready'
}

/** File of the service's own engine. Throws, with what to do, where this machine has none. */
export const engineLibrary = (): string => resolveLibchdb().path

const askMsMax = 10_000

/**
 * Looks at a server and at its tables as the service that writes there would, and changes nothing. Throws an `Error` that says
 * what is in the way.
 */
export async function examineClickHouse(server: ClickHouseServer): Promise<ExaminedServer> {
  const { writer, database = databaseDefault, cluster } = server
  const { origin, pathname } = new URL(server.url)
  const client = createClient({
    ...{ url: origin, ...(pathname !== '/' && { pathname }), ...writer, request_timeout: askMsMax },
    log: { level: ClickHouseLogLevel.OFF },
  })
  try {
    const answer = await client.query({ query: 'SELECT version() AS version', format: 'JSONEachRow' })
    const [found] = await answer.json<{ version: string }>()
    const version = found?.version ?? ''
    if (cluster !== undefined) await checkCluster(client, cluster)
    const known = readMigrations()
    const applied = await checked(client, { database }, known).catch(none)
    if (applied === undefined) return { version, tables: 'none' }
    if (applied.size < known.length || !(await hasTables(client, { database }))) return { version, tables: 'behind' }
    await client.query({ query: `SELECT ${columns.join()} FROM ${database}.${rowsTable} LIMIT 0` })
    return { version, tables: 'ready' }
  } catch (error) {
    throw inTheWay(error, origin, writer.username, database)
  } finally {
    await client.close()
  }
}

/** `undefined` for UNKNOWN_TABLE and UNKNOWN_DATABASE. */
function none(error: unknown): undefined {
  if (!(error instanceof ClickHouseError && ['60', '81'].includes(error.code))) throw error
}

function inTheWay(error: unknown, at: string, user: string, database: string): Error {
  if (!(error instanceof ClickHouseError)) {
    const { code, message = '' } = error as { readonly code?: string; readonly message?: string }
    return code === undefined ? new Error(message) : new Error(`there is no answer from ${at}: ${code}`)
  }
  // AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD
  if (['516', '192', '193', '194'].includes(error.code)) {
    return new Error(`${at} refuses the login of ${user}: mend AEP_LEDGER_CLICKHOUSE_USER or …_PASSWORD`)
  }
  // ACCESS_DENIED
  if (error.code === '497') return new Error(`the user ${user} may not read it: ${error.message}`)
  // UNKNOWN_IDENTIFIER
  if (error.code === '47') {
    const why = `the table ${rowsTable} is not as this version made it (${error.message})`
    return new Error(`${why}: drop the database ${database}: its rows are made again from the log`)
  }
  return new Error(`it refused with code ${error.code}: ${error.message}`)
}
