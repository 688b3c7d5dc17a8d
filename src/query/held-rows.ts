import { Fault } from '../base/fault.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import type { HashLeaf } from './clickhouse/blocks.ts'
import type { EventSearch, RowSink, SearchCursor, SearchFilter, SearchPage, StoredRows } from './port.ts'

/** The log's side, as `LogReader` gives it. */
export interface LogSide {
  head(ledger: string): Promise<{ readonly seq: number } | undefined>
  read(ledger: string, from: number, limit: number): Promise<readonly StoredEntry[]>
}

export interface HeldRowsOptions {
  readonly rows: EventSearch & RowSink & StoredRows
  readonly log: LogSide
  readonly hashLeaf: HashLeaf
  /** Whether nobody else can have put rows there: the service's own engine, not a server that others may use. */
  readonly ownEngine: boolean
  /**
   * Whether others may have put rows in of entries that the log at hand doesn't hold yet: then rows beyond its end say
   * nothing of another history, and are neither removed nor claimed.
   */
  readonly logMayLag?: boolean
  /** Rows were of another history and are removed, to be filled again from the log. */
  readonly onRemoved: (ledger: string, detail: string) => void
}

/**
 * Rows held against the log: a ledger's name doesn't say whose it is. A log restored from a backup stands beside rows of
 * entries that it lost, and two installations on one server both have a ledger `default`; what such rows claim to be
 * complete is another history.
 *
 * Before anything is said of a ledger, the leaf hashes of its first row, the row at the position and the last row are
 * compared with the log's: each is chained to all before it. Rows that differ are removed, and the follower fills them
 * again; but where the first row differs on a server that others may use, it belongs to another installation, and every
 * call throws `Fault('query-unavailable')`. Compared again while there are no rows yet, whenever the rows claim more than
 * the log holds, and when others took their place (`compareAgain`). Cost: three small queries at the first call, and one look at the log's head at each.
 */
export class HeldRows implements EventSearch, Pick<RowSink, 'insert'> {
  readonly #options: HeldRowsOptions
  readonly #held = new Set<string>()
  readonly #holding = new Map<string, Promise<void>>()
  #exchanges = 0

  constructor(options: HeldRowsOptions) {
    this.#options = options
  }

  /** The rows are others than those that were compared. */
  compareAgain(): void {
    this.#exchanges++
    this.#held.clear()
  }

  async position(ledger: string): Promise<number> {
    const position = await this.#whileHeld(ledger, () => this.#options.rows.position(ledger))
    if (!(await this.#isBeyond(ledger, position)) || this.#options.logMayLag) return position
    await this.#hold(ledger)
    return this.#options.rows.position(ledger)
  }

  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    return this.#whileHeld(ledger, () => this.#options.rows.reached(ledger, seq, timeoutMs))
  }

  async search(
    ledger: string,
    filter: SearchFilter,
    limit: number,
    after?: SearchCursor,
    signal?: AbortSignal,
  ): Promise<SearchPage> {
    const { rows, log, logMayLag } = this.#options
    if (logMayLag) {
      // Rows of entries that aren't at hand yet can't be proved, and are not shown.
      const lastSeq = (await log.head(ledger))?.seq ?? -1
      if (lastSeq < 0) return { items: [], asOf: -1 }
      const within = { ...filter, lastSeq }
      const page = await this.#whileHeld(ledger, () => rows.search(ledger, within, limit, after, signal))
      await this.#isBeyond(ledger, page.asOf)
      return { ...page, asOf: Math.min(page.asOf, lastSeq) }
    }
    const page = await this.#whileHeld(ledger, () => rows.search(ledger, filter, limit, after, signal))
    if (await this.#isBeyond(ledger, page.asOf)) {
      throw new Fault('query-unavailable', `The rows of ${ledger} claim more than the log holds; they are made again.`)
    }
    return page
  }

  async insert(ledger: string, entries: readonly StoredEntry[]): Promise<void> {
    await this.#options.rows.insert(ledger, entries)
  }

  /** Whether rows stand at a seq that the log, asked after them, has not reached; then they are compared again. */
  async #isBeyond(ledger: string, position: number): Promise<boolean> {
    const head = await this.#options.log.head(ledger)
    const beyond = position > (head?.seq ?? -1)
    if (beyond) this.#held.delete(ledger)
    return beyond
  }

  /** What `work` finds in rows that were compared; again, where others took their place meanwhile. */
  async #whileHeld<T>(ledger: string, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const exchanges = this.#exchanges
      await this.#hold(ledger)
      const found = await work()
      if (exchanges === this.#exchanges) return found
    }
  }

  async #hold(ledger: string): Promise<void> {
    if (this.#held.has(ledger)) return
    const holding = this.#holding.get(ledger) ?? this.#compare(ledger).finally(() => this.#holding.delete(ledger))
    this.#holding.set(ledger, holding)
    await holding
  }

  async #compare(ledger: string): Promise<void> {
    const { rows, log, ownEngine, logMayLag = false, onRemoved } = this.#options
    const exchanges = this.#exchanges
    const found = await rows.standing(ledger)
    const head = (await log.head(ledger))?.seq ?? -1
    const beyond = logMayLag && found.last > head
    const position = beyond ? Math.min(found.position, head) : found.position
    const last = beyond ? Math.min(found.last, head) : found.last
    // Somebody else may be the first to put rows there.
    if (last < 0) return
    if (position >= 0 && !(await this.#agree(ledger, 0)) && !ownEngine) {
      throw new Fault(
        'query-unavailable',
        `The rows of ${ledger} in ClickHouse are another installation's: give each installation a database of its own ` +
          '(AEP_LEDGER_CLICKHOUSE_DATABASE). Where that other one is no more, put the rows of this one in their place with `aep-ledger rebuild --search`.',
      )
    }
    for (const seq of new Set([...(position >= 0 ? [0, position] : []), last])) {
      if (await this.#agree(ledger, seq)) continue
      await rows.remove(ledger)
      onRemoved(ledger, `the row at seq ${seq} is not the log's entry: the rows were those of another history`)
      return
    }
    // What lies beyond is compared when the log has it.
    if (!beyond && exchanges === this.#exchanges) this.#held.add(ledger)
  }

  /** Whether every row at `seq` has the leaf hash of the log's entry there. */
  async #agree(ledger: string, seq: number): Promise<boolean> {
    const { rows, log, hashLeaf } = this.#options
    const found = await rows.rows(ledger, seq, seq + 1)
    const [stored] = await log.read(ledger, seq, 1)
    const leafHash = stored?.seq === seq ? hashLeaf(stored.bytes) : undefined
    return found.length > 0 && found.every(row => row.leafHash === leafHash)
  }
}
