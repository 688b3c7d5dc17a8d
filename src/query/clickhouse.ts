import { Fault } from '../base/fault.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { blocksOf, encodeRows, type HashLeaf } from './clickhouse/blocks.ts'
import { Connection } from './clickhouse/connection.ts'
import { Positions } from './clickhouse/positions.ts'
import { columns } from './clickhouse/row-binary.ts'
import { storedRows } from './clickhouse/stored-rows.ts'
import type {
  EventSearch,
  RowSink,
  SearchCursor,
  SearchFilter,
  SearchHit,
  SearchPage,
  Standing,
  StoredRows,
} from './port.ts'
import type { Row } from './row.ts'
import { searchLimitMax, searchSql } from './search-sql.ts'
import { type ClickHouseServer, database } from './server.ts'

export interface ClickHouseOptions {
  readonly hashLeaf: HashLeaf
}

/** Search and its rows, in a ClickHouse. */
export interface ClickHouse extends EventSearch, RowSink, StoredRows {
  /** Brings the tables up to date now, and says what is in the way: what every other call does when it is first made. */
  check(): Promise<void>
  close(): Promise<void>
}

/**
 * The rows in ClickHouse: the service's own engine (hand over the `Engine` itself) or a production server. It does not
 * wait for the server, which may come, go and come back: until it answers, every call throws
 * `Fault('query-unavailable')`. One writer a ledger; any number of readers.
 */
export async function openClickHouse(server: ClickHouseServer, options: ClickHouseOptions): Promise<ClickHouse> {
  return new ClickHouseRows(server, options)
}

/** What the writer of a ledger has to remember. */
interface Writing {
  /** The insert under way, or the one that is. */
  turn: Promise<void>
  /** Last seq of an insert that nobody knows the outcome of. */
  unknownLast: number
}

const pollMs = 50

class ClickHouseRows implements ClickHouse {
  readonly #connection: Connection
  readonly #positions: Positions
  readonly #hashLeaf: HashLeaf
  readonly #writing = new Map<string, Writing>()

  constructor(server: ClickHouseServer, { hashLeaf }: ClickHouseOptions) {
    this.#connection = new Connection(server, () => this.#positions.forget())
    this.#positions = new Positions(this.#connection)
    this.#hashLeaf = hashLeaf
  }

  async check(): Promise<void> {
    await this.#connection.read('SELECT 1', {})
  }

  async search(
    ledger: string,
    filter: SearchFilter,
    limit: number,
    after?: SearchCursor,
    signal?: AbortSignal,
  ): Promise<SearchPage> {
    if (!Number.isInteger(limit) || limit < 1 || limit > searchLimitMax) {
      throw new Fault('invalid-request', 'the search does not fit', [
        { pointer: 'limit', detail: `takes 1 to ${searchLimitMax}` },
      ])
    }
    // Asked before the rows: whatever comes in between is a row more than promised, never one less.
    const asOf = await this.position(ledger)
    const items: SearchHit[] = []
    const seen = new Set<number>()
    for (let from = after; ; ) {
      const count = limit + 1 - items.length
      const { text, params } = searchSql(ledger, filter, count, from)
      const found = (await this.#connection.read<FoundRow>(text, params, signal)).map(hitOf)
      // A row that got in twice stands beside itself.
      items.push(...found.filter(({ seq }) => !seen.has(seq) && seen.add(seq)))
      const last = items.at(-1)
      if (found.length < count || last === undefined) return { items, asOf }
      if (items.length > limit) return { items: items.slice(0, limit), next: cursorOf(items[limit - 1] ?? last), asOf }
      from = cursorOf(last)
    }
  }

  async position(ledger: string): Promise<number> {
    return (await this.#positions.standing(ledger, this.#writing.has(ledger))).position
  }

  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs
    for (;;) {
      if ((await this.position(ledger)) >= seq) return true
      if (performance.now() + pollMs > until) return false
      await new Promise(resolve => setTimeout(resolve, pollMs))
    }
  }

  async insert(ledger: string, entries: readonly StoredEntry[]): Promise<void> {
    const writing = this.#writing.get(ledger) ?? { turn: Promise.resolve(), unknownLast: -1 }
    this.#writing.set(ledger, writing)
    const mine = writing.turn.then(() => this.#insert(ledger, entries, writing))
    writing.turn = mine.catch(() => {})
    await mine
  }

  async #insert(ledger: string, entries: readonly StoredEntry[], writing: Writing): Promise<void> {
    const { position } = await this.#positions.standing(ledger, false)
    const missing = entries.filter(({ seq }) => seq > position)
    const first = missing[0]?.seq
    if (first === undefined) return
    if (first !== position + 1) {
      throw new Fault('query-unavailable', `rows of ${ledger} are in up to ${position}: ${first} would leave a hole`)
    }
    for (const block of blocksOf(missing, writing.unknownLast)) await this.#insertBlock(ledger, block, writing)
  }

  /**
   * One insert, believed when the rows are read back: the server says that it wrote a block, too, which it took for one it
   * had seen and dropped. That is right when an answer was lost, and wrong when the rows were lost since.
   */
  async #insertBlock(ledger: string, block: readonly StoredEntry[], writing: Writing): Promise<void> {
    const first = block[0]?.seq ?? 0
    const end = block.at(-1)?.seq ?? -1
    writing.unknownLast = end
    const { last } = await this.#positions.standing(ledger, true)
    // Beyond a hole some are in already.
    await this.#send(ledger, last < first ? block : await this.#absent(ledger, block))
    if ((await this.#positions.standing(ledger, false)).position < end) {
      await this.#send(ledger, await this.#absent(ledger, block), crypto.randomUUID())
      const { position } = await this.#positions.standing(ledger, false)
      if (position < end) {
        throw new Fault('query-unavailable', `ClickHouse took rows of ${ledger}, but has none after ${position}`)
      }
    }
    writing.unknownLast = -1
  }

  /** A block that was sent before is known to the server by its token, unless `more` makes it another. */
  async #send(ledger: string, rows: readonly StoredEntry[], more = ''): Promise<void> {
    if (rows.length === 0) return
    const token = `${ledger}:${rows[0]?.seq}-${rows.at(-1)?.seq}${more}`
    const body = await encodeRows(this.#hashLeaf, rows)
    await this.#connection.insert(`${database}.entries (${columns.join(', ')})`, body, 'RowBinary', token)
  }

  /** Those of a block that are not in: it may have got in by halves, one month and not the other. */
  async #absent(ledger: string, block: readonly StoredEntry[]): Promise<readonly StoredEntry[]> {
    const found = await this.#connection.read<{ seq: string }>(
      `SELECT DISTINCT seq FROM ${database}.entries
       WHERE ledger = {ledger:String} AND seq >= {first:UInt64} AND seq <= {last:UInt64}`,
      { ledger, first: block[0]?.seq, last: block.at(-1)?.seq },
    )
    const there = new Set(found.map(({ seq }) => Number(seq)))
    return block.filter(({ seq }) => !there.has(seq))
  }

  async remove(ledger: string): Promise<void> {
    await this.#writing.get(ledger)?.turn
    await this.#connection.command(`DELETE FROM ${database}.entries WHERE ledger = {ledger:String}`, { ledger })
    this.#positions.forget(ledger)
  }

  async standing(ledger: string): Promise<Standing> {
    this.#positions.forget(ledger)
    return this.#positions.standing(ledger, false)
  }

  async rows(ledger: string, from: number, until: number): Promise<readonly Row[]> {
    return storedRows(this.#connection, ledger, from, until)
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}

interface FoundRow {
  readonly seq: string
  readonly leafHash: string
  readonly timeMs: string
  readonly entry: string
  readonly signature: string
}

const cursorOf = ({ timeMs, seq }: SearchHit): SearchCursor => ({ timeMs, seq })

const hitOf = (row: FoundRow): SearchHit => ({ ...row, seq: Number(row.seq), timeMs: Number(row.timeMs) })
