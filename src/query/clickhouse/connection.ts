import { Readable } from 'node:stream'
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client'
import { Fault } from '../../base/fault.ts'
import { type ClickHouseServer, databaseDefault, type Login } from '../server.ts'
import { readerSettings } from '../settings.ts'
import { blockRows } from './blocks.ts'
import { MigrationRefused, migrate } from './migrate.ts'

/** Parameters of a statement: `{name:Type}` in its text. */
export type Params = Readonly<Record<string, unknown>>

const connectionsMax = 8
/** For a search: a little over what the server gives it, so that the server is the one to say that it took too long. */
const readMsMax = readerSettings.max_execution_time * 1000 + 2_000
const writeMsMax = 60_000

const writerSettings: ClickHouseSettings = {
  async_insert: 0,
  insert_deduplicate: 1,
  // Refused rather than inserted without a look at its token.
  deduplicate_insert_select: 'force_enable',
  // A block is one part, whatever the server's own limits for it: only then its token stands for all of it.
  max_insert_threads: '1',
  min_insert_block_size_rows: String(2 * blockRows),
  min_insert_block_size_bytes: String(1 << 30),
  max_execution_time: writeMsMax / 1000,
  // On a cluster: how long all of its servers may take for a statement about tables.
  distributed_ddl_task_timeout: String(writeMsMax / 1000 - 10),
  output_format_json_quote_64bit_integers: 1,
}

/** UNKNOWN_TABLE, UNKNOWN_DATABASE: somebody dropped it, or the server came back empty. */
const goneCodes: readonly string[] = ['60', '81']
/** ABORTED: an insert into a table that others took the place of, and that is being dropped. */
const movedCode = '236'

interface Clients {
  readonly of: readonly unknown[]
  readonly writer: ClickHouseClient
  readonly reader: ClickHouseClient
  /** A client of its own: the database that the others name may not be there yet. */
  readonly migrator: ClickHouseClient
  /** Resolves when the tables are as this version needs them. */
  readonly migrated: Promise<void>
}

/**
 * ClickHouse over its HTTP, through the plain client: the same for the service's own engine and for a production server.
 *
 * Connects, and brings the tables up to date, when first asked; again when the server's address or logins are others than
 * before (an engine that was started again); again when that failed; and again when a table or the database turns out to be
 * gone. Every failure is a `Fault('query-unavailable')`.
 */
export class Connection {
  readonly #server: ClickHouseServer
  readonly #onLost: () => void
  #clients: Clients | undefined
  #closed = false

  /** `onLost` is called whenever what was known of the tables may not hold any more. */
  constructor(server: ClickHouseServer, onLost: () => void) {
    this.#server = server
    this.#onLost = onLost
  }

  /** Rows of a query by the reader. An abort of `signal` ends the query in the server too. */
  async read<T>(sql: string, params: Params, signal?: AbortSignal): Promise<T[]> {
    return this.#use(async ({ reader }) => {
      const answer = await reader.query({
        query: sql,
        query_params: { ...params },
        format: 'JSONEachRow',
        ...(signal === undefined ? {} : { abort_signal: signal }),
      })
      return answer.json<T>()
    }, signal)
  }

  /** Rows of a query of ours that reads a lot: by the writer, with its time. */
  async readLong<T>(sql: string, params: Params): Promise<T[]> {
    return this.#use(async ({ writer }) => {
      const answer = await writer.query({ query: sql, query_params: { ...params }, format: 'JSONEachRow' })
      return answer.json<T>()
    })
  }

  /** A statement by the writer. */
  async command(sql: string, params: Params): Promise<void> {
    await this.#use(({ writer }) => writer.command({ query: sql, query_params: { ...params } }))
  }

  /** Inserts a body in `format`; resolves when the server has it, or has had one with this token. */
  async insert(
    into: string,
    params: Params,
    body: readonly Uint8Array[],
    format: string,
    token: string,
  ): Promise<void> {
    await this.#use(async ({ writer }) => {
      const { stream } = await writer.exec({
        query: `INSERT INTO ${into} FORMAT ${format}`,
        query_params: { ...params },
        values: Readable.from(body, { objectMode: false }),
        clickhouse_settings: { insert_deduplication_token: token },
      })
      for await (const _ of stream);
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#drop()
  }

  async #use<T>(work: (clients: Clients) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) throw new Fault('query-unavailable', 'the connection to ClickHouse is closed')
    const clients = this.#connected()
    try {
      await clients.migrated
    } catch (error) {
      // The tables are looked at again when next somebody asks.
      if (this.#clients === clients) await this.#drop()
      throw unavailable(error)
    }
    try {
      // The client listens for an abort to come, and would miss one that has.
      if (signal?.aborted !== true) return await work(clients)
    } catch (error) {
      if (signal?.aborted !== true) {
        const isGone = error instanceof ClickHouseError && goneCodes.includes(error.code)
        // A statement that was refused, or too much, says nothing of the rows.
        if (isGone || !(error instanceof ClickHouseError) || error.code === movedCode) this.#onLost()
        if (isGone && this.#clients === clients) await this.#drop()
        throw unavailable(error)
      }
    }
    throw new Fault('query-unavailable', 'the search was given up')
  }

  #connected(): Clients {
    const { url, writer, reader = writer, database = databaseDefault, cluster } = this.#server
    const of = [url, writer.username, writer.password, reader.username, reader.password]
    if (this.#clients !== undefined) {
      if (this.#clients.of.every((value, index) => value === of[index])) return this.#clients
      void this.#drop()
      this.#onLost()
    }
    const write = clientOf(url, writer, database, writeMsMax, writerSettings)
    const read = clientOf(url, reader, database, readMsMax, readerSettings)
    const migrator = clientOf(url, writer, 'default', writeMsMax, writerSettings)
    const place = { database, ...(cluster !== undefined && { cluster }) }
    const migrated = migrate(migrator, place).finally(() => void migrator.close())
    // Whoever asks next waits for it and hears of its failure; until then nobody does.
    migrated.catch(() => {})
    this.#clients = { of, writer: write, reader: read, migrator, migrated }
    return this.#clients
  }

  async #drop(): Promise<void> {
    const clients = this.#clients
    this.#clients = undefined
    await Promise.allSettled([clients?.writer.close(), clients?.reader.close(), clients?.migrator.close()])
  }
}

function clientOf(
  url: string,
  login: Login,
  database: string,
  timeoutMs: number,
  settings: ClickHouseSettings,
): ClickHouseClient {
  const { origin, pathname } = new URL(url)
  return createClient({
    url: origin,
    // The client takes a path in its URL for the name of a database.
    ...(pathname === '/' ? {} : { pathname }),
    username: login.username,
    password: login.password,
    database,
    application: 'aep-ledger',
    request_timeout: timeoutMs,
    max_open_connections: connectionsMax,
    clickhouse_settings: settings,
    use_multipart_params_auto: true,
    // Its logger prints whole statements, and what people search for is not for a log.
    log: { level: ClickHouseLogLevel.OFF },
  })
}

/** Code 159 TIMEOUT_EXCEEDED, 241 MEMORY_LIMIT_EXCEEDED: the query was too much; others: something is wrong. */
function unavailable(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (error instanceof MigrationRefused) return new Fault('query-unavailable', error.message, [], error)
  if (error instanceof ClickHouseError) {
    if (error.code === '159') return new Fault('query-unavailable', 'the search took too long', [], error)
    if (error.code === '241') return new Fault('query-unavailable', 'the search took too much memory', [], error)
    return new Fault('query-unavailable', `ClickHouse refused with code ${error.code} ${error.type ?? ''}`, [], error)
  }
  const { code, message } = error as { code?: string; message?: string }
  return new Fault('query-unavailable', `ClickHouse does not answer: ${code ?? message ?? 'unknown'}`, [], error)
}
