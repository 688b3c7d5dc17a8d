import { Fault } from '../base/fault.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { type Block, blockRows, encodeBlock, type HashLeaf } from './clickhouse/blocks.ts'
import { Connection } from './clickhouse/connection.ts'
import { Positions } from './clickhouse/positions.ts'
import { columns, structure } from './clickhouse/row-binary.ts'
import { storedRows, storedSeqs } from './clickhouse/stored-rows.ts'
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
import type { ClickHouseServer } from './server.ts'
import { removalsTable, rowsTable } from './tables.ts'

export interface ClickHouseOptions {
  readonly hashLeaf: HashLeaf
  /** The rows are in another table than before: rows that were made again took their place. */
  readonly onExchanged?: () => void
  /** How long rows below a position that is known are taken to be there still; a minute, when absent. */
  readonly countMs?: number
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
 * `Fault('query-unavailable')`. Any number of writers and readers.
 */
export async function openClickHouse(server: ClickHouseServer, options: ClickHouseOptions): Promise<ClickHouse> {
  return new ClickHouseRows(server, options)
}

const pollMs = 50
/** Rows that were in and are gone were taken out by hand so often at most, while the server remembers their tokens. */
const lossesMax = 20

class ClickHouseRows implements ClickHouse {
  readonly #connection: Connection
  readonly #positions: Positions
  readonly #hashLeaf: HashLeaf
  readonly #cluster: boolean
  /** By ledger: the insert under way, or the last one that was. */
  readonly #turns = new Map<string, Promise<void>>()

  constructor(server: ClickHouseServer, { hashLeaf, onExchanged, countMs }: ClickHouseOptions) {
    this.#connection = new Connection(server, () => this.#positions.forget())
    this.#positions = new Positions(this.#connection, { onExchanged, countMs })
    this.#hashLeaf = hashLeaf
    this.#cluster = server.cluster !== undefined
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
    const { position: asOf } = await this.standing(ledger)
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

  /** Of a ledger that this process inserts rows of, what was so some seconds ago is enough: followers ask it all the time. */
  async position(ledger: string): Promise<number> {
    return (await this.#positions.standing(ledger, this.#turns.has(ledger))).position
  }

  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs
    for (;;) {
      if ((await this.standing(ledger)).position >= seq) return true
      if (performance.now() + pollMs > until) return false
      await new Promise(resolve => setTimeout(resolve, pollMs))
    }
  }

  async insert(ledger: string, entries: readonly StoredEntry[]): Promise<void> {
    const before = this.#turns.get(ledger) ?? Promise.resolve()
    const mine = before.then(() => this.#insert(ledger, entries))
    this.#turns.set(
      ledger,
      mine.catch(() => {}),
    )
    await mine
  }

  /**
   * Block after block, each from the position that the rows have after the last: another follower may have come first, with
   * a shorter block or a longer one.
   */
  async #insert(ledger: string, entries: readonly StoredEntry[]): Promise<void> {
    // The block after the one that is under way, made while the server works on that.
    let ahead: Promise<Block> | undefined
    for (let fresh = false; ; fresh = true) {
      const { position, last } = await this.#positions.standing(ledger, fresh)
      const [first, ...rest] = entries.filter(({ seq }) => seq > position)
      if (first === undefined) return
      if (first.seq !== position + 1) throw holeAt(ledger, position, first.seq)
      const missing: [StoredEntry, ...StoredEntry[]] = [first, ...rest]
      // Beyond a hole some are in already.
      const absent = last > first.seq ? await this.#absent(ledger, first.seq, blockRows) : missing.length
      missing.splice(absent)
      const made = await ahead
      const fits = made?.first === first.seq && made.last < first.seq + absent
      const block = fits ? made : await encodeBlock(this.#hashLeaf, missing)
      ahead = this.#encode(missing.filter(({ seq }) => seq > block.last))
      // Whoever needs it awaits it; until then its failure is nobody's.
      ahead?.catch(() => {})
      await this.#insertBlock(ledger, block)
    }
  }

  #encode([first, ...rest]: readonly StoredEntry[]): Promise<Block> | undefined {
    return first && encodeBlock(this.#hashLeaf, [first, ...rest])
  }

  /**
   * One insert, believed when the rows are read back: whether they were new, or another's block that begins there was
   * first, the server says alike. Where nothing is there after, the rows were lost since they were in; then the block goes
   * again under the next token, which is the same for whoever finds that out.
   */
  async #insertBlock(ledger: string, block: Block): Promise<void> {
    for (let losses = 0; losses <= lossesMax; losses++) {
      const { generation } = await this.#positions.standing(ledger, true)
      await this.#send(ledger, block, `${ledger}:${generation}:${block.first}${losses === 0 ? '' : `#${losses}`}`)
      if (await this.#isIn(ledger, block.first)) return
      if (!this.#cluster) continue
      // Before anything is said to be lost, what other replicas have taken is waited for.
      await this.#connection.command(`SYSTEM SYNC REPLICA ${rowsTable}`, {})
      if (await this.#isIn(ledger, block.first)) return
    }
    throw new Fault('query-unavailable', `ClickHouse took rows of ${ledger}, but has none at ${block.first}`)
  }

  /** Whether the rows go to `first` at least. Throws where they end before it: they were taken out, or others took their place. */
  async #isIn(ledger: string, first: number): Promise<boolean> {
    const { position } = await this.#positions.standing(ledger, false)
    if (position < first - 1) throw holeAt(ledger, position, first)
    return position >= first
  }

  /**
   * Sends a block whose first row is not in. The token names where the block begins and not where it ends: of several that
   * begin alike, one gets in. Tokens are forgotten in the end; what a follower sends that was halted for so long is kept out
   * by the condition.
   */
  async #send(ledger: string, { first, body }: Block, token: string): Promise<void> {
    const names = columns.join(', ')
    const into =
      `${rowsTable} (${names}) SELECT ${names} FROM input('${structure}') WHERE ` +
      `(SELECT count() FROM ${rowsTable} WHERE ledger = {ledger:String} AND seq = {first:UInt64}) = 0`
    await this.#connection.insert(into, { ledger, first }, body, 'RowBinary', token)
  }

  /** How many seqs from `first` on, of `count`, are not in. */
  async #absent(ledger: string, first: number, count: number): Promise<number> {
    const [found] = await this.#connection.read<{ next: string }>(
      `SELECT min(seq) AS next FROM ${rowsTable}
       WHERE ledger = {ledger:String} AND seq > {first:UInt64} AND seq <= {last:UInt64}`,
      { ledger, first, last: first + count },
    )
    const next = Number(found?.next ?? 0)
    return next === 0 ? count : next - first
  }

  async remove(ledger: string): Promise<void> {
    await this.#turns.get(ledger)
    await this.#connection.command(`INSERT INTO ${removalsTable} (ledger) VALUES ({ledger:String})`, { ledger })
    await this.#connection.command(`DELETE FROM ${rowsTable} WHERE ledger = {ledger:String}`, { ledger })
    this.#positions.forget(ledger)
  }

  async standing(ledger: string): Promise<Standing> {
    return this.#positions.standing(ledger, false)
  }

  async rows(ledger: string, from: number, until: number): Promise<readonly Row[]> {
    return storedRows(this.#connection, ledger, from, until)
  }

  async seqs(ledger: string, from: bigint, limit: number): Promise<readonly bigint[]> {
    return storedSeqs(this.#connection, ledger, from, limit)
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

const holeAt = (ledger: string, position: number, first: number): Fault =>
  new Fault('query-unavailable', `rows of ${ledger} are in up to ${position}: ${first} would leave a hole`)

const cursorOf = ({ timeMs, seq }: SearchHit): SearchCursor => ({ timeMs, seq })

const hitOf = (row: FoundRow): SearchHit => ({ ...row, seq: Number(row.seq), timeMs: Number(row.timeMs) })
