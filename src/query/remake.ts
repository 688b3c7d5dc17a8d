import { createHash } from 'node:crypto'
import type { StoredEntry } from '../ledger/entry.ts'
import { Connection } from './clickhouse/connection.ts'
import { databaseSql } from './clickhouse/render.ts'
import { type ClickHouse, type ClickHouseOptions, openClickHouse } from './clickhouse.ts'
import { type ClickHouseServer, databaseDefault, remadeSuffix } from './server.ts'
import { rowsTable } from './tables.ts'

/** The log that rows are made from. */
export interface RemakeLog {
  ledgers(): Promise<readonly string[]>
  read(ledger: string, from: number, limit: number): Promise<readonly StoredEntry[]>
}

export interface RemakeOptions extends Pick<ClickHouseOptions, 'hashLeaf'> {
  /** After each insert, with the rows made so far, over all ledgers. May throw, to end it; the old rows stay then. */
  readonly onMade?: (rows: number) => void
  /** The rows that serve are not looked at: it is they that are wrong. */
  readonly force?: boolean
}

/** The rows that serve stay: the log at hand is not the one that they are of, or ends before them; or a database is in the way. */
export class RemakeRefused extends Error {
  /** What to do about it. */
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** Entries that one insert takes. */
const insertEntriesMax = 10_000
/** The old rows give way as soon as a round over all ledgers found no more than this: followers fill in the rest. */
const lateMax = insertEntriesMax
/** Rows that are compared at the end of what both have: a damaged one among them is no other history. */
const comparedCount = 10

/**
 * Makes all rows again from the log, in a database beside the one that serves, and puts them in its place at once: searches are
 * answered from the old ones until then, and followers go on inserting. What came meanwhile is inserted again by them, from where
 * the new rows end. Gives the number of rows made. Leaves the old rows as they were, and throws `Fault('query-unavailable')`, or
 * `RemakeRefused` where the rows that serve are of another history, or go much further.
 */
export async function remakeRows(server: ClickHouseServer, log: RemakeLog, options: RemakeOptions): Promise<number> {
  const { database = databaseDefault, cluster } = server
  const { hashLeaf, force = false } = options
  const beside = besideOf(database)
  const everywhere = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  const main = new Connection(server, () => {})
  const serving = await openClickHouse(server, { hashLeaf })
  const made = await openClickHouse({ ...parts(server), database: beside }, { hashLeaf })
  const drop = () => main.command(`DROP DATABASE IF EXISTS ${beside}${everywhere} SYNC`, {})
  try {
    await checkBeside(main, database)
    // Of one that was cut off.
    await drop()
    try {
      const create = databaseSql({ database: beside, ...(cluster !== undefined && { cluster }) })
      await main.command(`${create} COMMENT '${markOf(database)}'`, {})
      await made.check()
      const next = new Map<string, number>()
      await make(made, log, next, options)
      if (!force) await checkServing(main, serving, made, next)
      // What came while it compared.
      await make(made, log, next, options)
      await main.command(`EXCHANGE TABLES ${database}.${rowsTable} AND ${beside}.${rowsTable}${everywhere}`, {})
      return rowsOf(next)
    } finally {
      await drop().catch(() => {})
    }
  } finally {
    await Promise.all([main.close(), serving.close(), made.close()])
  }
}

/** Inserts the log's entries, of each ledger from `next` on, which goes on with them, until a round finds few. */
async function make(
  rows: ClickHouse,
  log: RemakeLog,
  next: Map<string, number>,
  { onMade }: RemakeOptions,
): Promise<void> {
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
        onMade?.(rowsOf(next))
      }
    }
  }
}

const rowsOf = (next: ReadonlyMap<string, number>): number => [...next.values()].reduce((sum, count) => sum + count, 0)

/** Throws unless the database beside is one of ours for `database`, or not there. */
async function checkBeside(main: Connection, database: string): Promise<void> {
  const beside = besideOf(database)
  const [found] = await main.readLong<{ comment: string }>(
    'SELECT comment FROM system.databases WHERE name = {beside:String}',
    { beside },
  )
  if (found === undefined || found.comment === markOf(database)) return
  throw new RemakeRefused(
    `ClickHouse has a database ${beside}, which was not made for the rows of ${database} and would be dropped.`,
    'Look what is in it; drop it, or give it another name.',
  )
}

/** Holds what was made against the rows that serve: throws where it is of another history, or ends far before them. */
async function checkServing(
  main: Connection,
  serving: ClickHouse,
  made: ClickHouse,
  next: ReadonlyMap<string, number>,
): Promise<void> {
  const served = await main.readLong<{ ledger: string }>(`SELECT DISTINCT ledger FROM ${rowsTable} ORDER BY ledger`, {})
  for (const { ledger } of served) {
    const end = (next.get(ledger) ?? 0) - 1
    const { position, last } = await serving.standing(ledger)
    if (end < 0 || last - end > lateMax) {
      throw refused(ledger, `go to seq ${last}; this log ${end < 0 ? 'has no such ledger' : `ends at seq ${end}`}`)
    }
    const common = Math.min(last, end)
    if (await isOtherHistory(serving, made, ledger, [common, Math.min(position, end)])) {
      throw refused(ledger, `are of another history than this log: their leaf hashes differ up to seq ${common}`)
    }
  }
}

const refused = (ledger: string, why: string): RemakeRefused =>
  new RemakeRefused(
    `The rows of ${ledger} that serve ${why}. They stay.`,
    'Name the data folder of a process that runs, or wait until it has read the log. Where it is the rows that are wrong, --force puts those of this log in their place.',
  )

/** Whether no row shortly before `ends` has the leaf hash that was made, though some are there: each is chained to all before it. */
async function isOtherHistory(
  serving: ClickHouse,
  made: ClickHouse,
  ledger: string,
  ends: readonly number[],
): Promise<boolean> {
  let differs = false
  for (const end of new Set(ends)) {
    const [from, until] = [Math.max(0, end + 1 - comparedCount), end + 1]
    const hashes = new Map((await made.rows(ledger, from, until)).map(({ seq, leafHash }) => [seq, leafHash]))
    const rows = await serving.rows(ledger, from, until)
    if (rows.some(({ seq, leafHash }) => hashes.get(seq) === leafHash)) return false
    differs ||= rows.length > 0
  }
  return differs
}

/**
 * Name of the database beside another. None that the ledger is configured with ends like it, and names that agree in as much
 * as ClickHouse leaves room for are told apart by their hash.
 */
export function besideOf(database: string): string {
  if (database.length + remadeSuffix.length <= nameCharsMax) return `${database}${remadeSuffix}`
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 12)
  return `${database.slice(0, nameCharsMax - remadeSuffix.length - hash.length - 1)}_${hash}${remadeSuffix}`
}

const nameCharsMax = 63

/** Comment of a database that may be dropped: it holds nothing but rows that were being made again. */
const markOf = (database: string): string => `rows of ${database}, made again by aep-ledger rebuild`

/** The members, read once: a server of its own changes none. */
const parts = ({ url, writer, reader, cluster }: ClickHouseServer): ClickHouseServer => ({
  ...{ url, writer },
  ...(reader !== undefined && { reader }),
  ...(cluster !== undefined && { cluster }),
})
