import type { Standing } from '../port.ts'
import { removalsTable, rowsTable } from '../tables.ts'
import type { Connection } from './connection.ts'

/** What is in the rows, and what their tokens are to be named by. */
interface Found extends Standing {
  /** How often the rows of the ledger were removed. */
  readonly generation: number
  /** Which table they are in: another one when rows that were made again took their place. */
  readonly table: string
  /** Rows that were there beside one for each seq up to `last`: doubles, until the server merges them. */
  readonly spare: number
}

interface Known extends Found {
  readonly checkedMs: number
  /** When rows below the position were last counted. */
  readonly countedMs: number
}

/** Seqs that one chunk of the search for holes counts: a row of its answer each. */
const chunk = 65_536
/** Chunks that one statement of it looks at: some seconds of a busy machine, however long the ledger is. */
const sliceChunks = 256
/** How long a writer believes what it knows: other writers only add to it, but somebody may have emptied the tables. */
const freshMs = 5_000
/** How long rows below a known position are taken to be there still. */
const countMsDefault = 60_000

export interface PositionsOptions {
  /** Called when the rows turn out to be in another table than before. */
  readonly onExchanged?: (() => void) | undefined
  readonly countMs?: number | undefined
  readonly sliceChunks?: number
}

const tableSql = `(SELECT toString(uuid) FROM system.tables WHERE database = currentDatabase() AND name = '${rowsTable}')`
/** What is compared with a number of ours: a seq that nobody but a forger could write is as good as the largest. */
const lastSql = `least(max(seq), ${Number.MAX_SAFE_INTEGER})`

/**
 * Positions, derived from the rows themselves, so that they can claim no more than what is there, whatever became of the
 * folder. Cost: the first question reads the seqs of a ledger, some 80 ms a million; each later one looks past the position
 * that is known, and now and then counts the rows below it, some 10 ms however many they are: the table's key answers that.
 */
export class Positions {
  readonly #connection: Connection
  readonly #onExchanged: (() => void) | undefined
  readonly #countMs: number
  readonly #sliceChunks: number
  readonly #known = new Map<string, Known>()
  readonly #deriving = new Map<string, Promise<Found>>()
  #forgotten = 0

  constructor(connection: Connection, options: PositionsOptions = {}) {
    this.#connection = connection
    this.#onExchanged = options.onExchanged
    this.#countMs = options.countMs ?? countMsDefault
    this.#sliceChunks = options.sliceChunks ?? sliceChunks
  }

  /** Forgets what is known, of one ledger or of all. */
  forget(ledger?: string): void {
    this.#forgotten++
    this.#deriving.clear()
    if (ledger === undefined) this.#known.clear()
    else this.#known.delete(ledger)
  }

  /** `writing`: the caller writes too, and what was there a moment ago is enough for it. */
  async standing(ledger: string, writing: boolean): Promise<Found> {
    const known = this.#known.get(ledger)
    if (known !== undefined && writing && performance.now() - known.checkedMs < freshMs) return known
    const forgotten = this.#forgotten
    const extended = known && (await this.#extend(ledger, known))
    const isCounted = known === undefined || performance.now() - known.countedMs >= this.#countMs
    const holds = extended !== undefined && (!isCounted || (await this.#isWhole(ledger, extended)))
    const found = holds ? extended : await this.#derived(ledger)
    // Rows may have come or gone while it looked, and somebody else have seen it: then this is not to be remembered.
    if (forgotten === this.#forgotten && this.#known.get(ledger) === known) {
      const checkedMs = performance.now()
      this.#known.set(ledger, { ...found, checkedMs, countedMs: isCounted || !holds ? checkedMs : known.countedMs })
    }
    if (known !== undefined && known.table !== found.table) this.#onExchanged?.()
    return found
  }

  /** From what is known to what is there now; `undefined` when it is not as simple as rows added at the end. */
  async #extend(ledger: string, known: Found): Promise<Found | undefined> {
    const from = Math.max(known.position, 0)
    const [found] = await this.#connection.read<{ count: string; last: string; table: string }>(
      `SELECT groupBitmap(seq) AS count, ${lastSql} AS last, ${tableSql} AS table FROM ${rowsTable}
       WHERE ledger = {ledger:String} AND seq >= {from:UInt64}`,
      { ledger, from },
    )
    if (found?.table !== known.table) return undefined
    const count = Number(found.count)
    if (count === 0) return known.position < 0 ? { ...known, last: -1 } : undefined
    const last = Number(found.last)
    return count === last - from + 1 ? { ...known, position: last, last } : undefined
  }

  /** Whether no fewer rows are there than its seqs need; where doubles were merged it may say no in vain. */
  async #isWhole(ledger: string, { last, spare }: Found): Promise<boolean> {
    return (await this.#count(ledger)) >= last + 1 + spare
  }

  async #count(ledger: string): Promise<number> {
    const [found] = await this.#connection.read<{ count: string }>(
      `SELECT count() AS count FROM ${rowsTable} WHERE ledger = {ledger:String}`,
      { ledger },
    )
    return Number(found?.count ?? 0)
  }

  /** Derives once for all who ask meanwhile. */
  async #derived(ledger: string): Promise<Found> {
    const under = this.#deriving.get(ledger) ?? this.#derive(ledger)
    this.#deriving.set(ledger, under)
    try {
      return await under
    } finally {
      if (this.#deriving.get(ledger) === under) this.#deriving.delete(ledger)
    }
  }

  async #derive(ledger: string): Promise<Found> {
    const [about] = await this.#connection.readLong<{ count: string; table: string }>(
      `SELECT count() AS count, ${tableSql} AS table FROM ${removalsTable} WHERE ledger = {ledger:String}`,
      { ledger },
    )
    const rows = await this.#count(ledger)
    const position = await this.#firstHole(ledger)
    const [beyond] = await this.#connection.readLong<{ last: string; count: string }>(
      `SELECT ${lastSql} AS last, count() AS count FROM ${rowsTable} WHERE ledger = {ledger:String} AND seq >= {next:UInt64}`,
      { ledger, next: position + 1 },
    )
    const last = Number(beyond?.count ?? 0) === 0 ? position : Number(beyond?.last)
    const spare = Math.max(0, rows - (last + 1))
    return { position, last, generation: Number(about?.count ?? 0), table: about?.table ?? '', spare }
  }

  /** The last seq before which none is missing; -1 where the first is. */
  async #firstHole(ledger: string): Promise<number> {
    const slice = this.#sliceChunks * chunk
    for (let from = 0; ; from += slice) {
      const chunks = await this.#connection.readLong<{ chunk: string; count: string }>(
        `SELECT intDiv(seq, ${chunk}) AS chunk, groupBitmap(seq) AS count FROM ${rowsTable}
         WHERE ledger = {ledger:String} AND seq >= {from:UInt64} AND seq < {end:UInt64} GROUP BY chunk ORDER BY chunk`,
        { ledger, from, end: from + slice },
      )
      const short = chunks.findIndex(
        ({ chunk: number, count }, n) => Number(number) !== from / chunk + n || Number(count) !== chunk,
      )
      const full = short === -1 ? chunks.length : short
      if (full * chunk === slice) continue
      return this.#lastOf(ledger, from + full * chunk)
    }
  }

  /** The last seq of the run that begins at `first` and ends within a chunk. */
  async #lastOf(ledger: string, first: number): Promise<number> {
    const seqs = await this.#connection.readLong<{ seq: string }>(
      `SELECT DISTINCT seq FROM ${rowsTable}
       WHERE ledger = {ledger:String} AND seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq`,
      { ledger, first, end: first + chunk },
    )
    const run = seqs.findIndex(({ seq }, n) => Number(seq) !== first + n)
    return first + (run === -1 ? seqs.length : run) - 1
  }
}
