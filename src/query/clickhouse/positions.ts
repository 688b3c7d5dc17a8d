import type { Standing } from '../port.ts'
import { removalsTable, rowsTable } from '../tables.ts'
import type { Connection } from './connection.ts'

/** What is in the rows, and what their tokens are to be named by. */
interface Found extends Standing {
  /** How often the rows of the ledger were removed. */
  readonly generation: number
}

interface Known extends Found {
  readonly checkedMs: number
}

/** Seqs that one chunk of the search for holes counts: a row of its answer each. */
const chunk = 65_536
/** How long a writer believes what it knows: other writers only add to it, but somebody may have emptied the tables. */
const freshMs = 5_000

/**
 * Positions, derived from the rows themselves, so that they can claim no more than what is there, whatever became of the
 * folder. Cost: the first question reads the seqs of a ledger, some 10 ms a million; each later one looks past the
 * position that is known.
 */
export class Positions {
  readonly #connection: Connection
  readonly #known = new Map<string, Known>()
  #forgotten = 0

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Forgets what is known, of one ledger or of all. */
  forget(ledger?: string): void {
    this.#forgotten++
    if (ledger === undefined) this.#known.clear()
    else this.#known.delete(ledger)
  }

  /** `writing`: the caller writes too, and what was there a moment ago is enough for it. */
  async standing(ledger: string, writing: boolean): Promise<Found> {
    const known = this.#known.get(ledger)
    if (known !== undefined && writing && performance.now() - known.checkedMs < freshMs) return known
    const forgotten = this.#forgotten
    const extended = known && (await this.#extend(ledger, known))
    const found = extended ?? (await this.#derive(ledger))
    // Rows may have come or gone while it looked, and somebody else have seen it: then this is not to be remembered.
    if (forgotten === this.#forgotten && this.#known.get(ledger) === known)
      this.#known.set(ledger, { ...found, checkedMs: performance.now() })
    return found
  }

  /** From what is known to what is there now; `undefined` when it is not as simple as rows added at the end. */
  async #extend(ledger: string, { position, generation }: Found): Promise<Found | undefined> {
    const [found] = await this.#connection.read<{ count: string; last: string }>(
      `SELECT groupBitmap(seq) AS count, max(seq) AS last FROM ${rowsTable}
       WHERE ledger = {ledger:String} AND seq >= {from:UInt64}`,
      { ledger, from: Math.max(position, 0) },
    )
    const count = Number(found?.count ?? 0)
    if (count === 0) return position < 0 ? { position: -1, last: -1, generation } : undefined
    const last = Number(found?.last)
    return count === last - Math.max(position, 0) + 1 ? { position: last, last, generation } : undefined
  }

  async #derive(ledger: string): Promise<Found> {
    const [removals] = await this.#connection.read<{ count: string }>(
      `SELECT count() AS count FROM ${removalsTable} WHERE ledger = {ledger:String}`,
      { ledger },
    )
    const chunks = await this.#connection.read<{ chunk: string; count: string; last: string }>(
      `SELECT intDiv(seq, ${chunk}) AS chunk, groupBitmap(seq) AS count, max(seq) AS last FROM ${rowsTable}
       WHERE ledger = {ledger:String} GROUP BY chunk ORDER BY chunk`,
      { ledger },
    )
    const last = Number(chunks.at(-1)?.last ?? -1)
    let full = 0
    while (Number(chunks[full]?.chunk ?? -1) === full && Number(chunks[full]?.count) === chunk) full++
    const first = full * chunk
    const rest = await this.#connection.read<{ seq: string }>(
      `SELECT DISTINCT seq FROM ${rowsTable}
       WHERE ledger = {ledger:String} AND seq >= {first:UInt64} AND seq < {end:UInt64} ORDER BY seq`,
      { ledger, first, end: first + chunk },
    )
    let position = first - 1
    for (const { seq } of rest) {
      if (Number(seq) !== position + 1) break
      position++
    }
    return { position, last, generation: Number(removals?.count ?? 0) }
  }
}
