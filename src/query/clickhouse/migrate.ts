import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { ClickHouseClient } from '@clickhouse/client'
import { removalsTable, rowsTable } from '../tables.ts'
import { databaseSql, type Place, render } from './render.ts'

/**
 * Numbered SQL migrations: `NNNN_name.sql`, applied in order, their SHA-256 kept in `_migrations`. ClickHouse has no
 * transactions and no locks around them, so two processes may apply one at once, and one may stop in the middle of it.
 * Hence every statement may run twice (IF NOT EXISTS and the like), and a migration that needs a table to be otherwise makes
 * one of another name: it never empties or drops one that the newest version fills. A migration that was applied is never
 * edited: another one follows it. Where a table is gone that they made, all are applied again.
 */
export interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** The tables are not this version's to touch. */
export class MigrationRefused extends Error {}

interface Applied {
  readonly number: number
  readonly name: string
  readonly checksum: string
}

const folder = new URL('../../../infra/clickhouse/migrations/', import.meta.url)

/** The migrations of a folder, in order. Throws when their numbers do not run 1, 2, 3 … */
export function readMigrations(from: URL = folder): readonly Migration[] {
  const migrations = readdirSync(from)
    .filter(file => file.endsWith('.sql'))
    .sort()
    .map(file => {
      const sql = readFileSync(new URL(file, from), 'utf8')
      const checksum = createHash('sha256').update(sql).digest('hex')
      return { number: Number(file.slice(0, 4)), name: file.slice(5, -4), sql, checksum }
    })
  const wrong = migrations.find(({ number }, index) => number !== index + 1)
  if (wrong !== undefined) throw new Error(`the migration ${wrong.name} is not number ${migrations.indexOf(wrong) + 1}`)
  return migrations
}

const notesSql = `CREATE TABLE IF NOT EXISTS aep_ledger._migrations
  (number UInt32, name String, checksum String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY number;`

/**
 * Brings the database up to `migrations`; `client` names no database. Throws `MigrationRefused`, having changed nothing,
 * when one that was applied has another checksum here, when there are some that this version does not know, and when the
 * cluster is none that holds a ledger's rows whole.
 */
export async function migrate(
  client: ClickHouseClient,
  place: Place,
  migrations: readonly Migration[] = readMigrations(),
): Promise<void> {
  if (place.cluster !== undefined) await checkCluster(client, place.cluster)
  await client.command({ query: databaseSql(place) })
  for (const query of render(notesSql, place)) await client.command({ query })
  const done = await checked(client, place, migrations)
  const isWhole = migrations.length > done.size || (await hasTables(client, place))
  const missing = migrations.filter(({ number }) => !isWhole || !done.has(number))
  for (const { number, name, sql, checksum } of missing) {
    for (const query of render(sql, place)) await client.command({ query })
    await client.insert({
      table: `${place.database}._migrations`,
      values: [{ number, name, checksum }],
      columns: ['number', 'name', 'checksum'],
      format: 'JSONEachRow',
    })
  }
  // Another version may have been at it meanwhile.
  if (missing.length > 0) await checked(client, place, migrations)
}

/** Whether the tables are there, which somebody may have dropped by hand. */
export async function hasTables(client: ClickHouseClient, { database }: Place): Promise<boolean> {
  const answer = await client.query({
    query: `SELECT name FROM system.tables WHERE database = '${database}' AND name IN ('${rowsTable}', '${removalsTable}')`,
    format: 'JSONEachRow',
  })
  return (await answer.json()).length === 2
}

/** Numbers of the migrations that were applied, all of which are known here. */
export async function checked(
  client: ClickHouseClient,
  { database }: Place,
  migrations: readonly Migration[],
): Promise<ReadonlySet<number>> {
  const answer = await client.query({
    query: `SELECT DISTINCT number, name, checksum FROM ${database}._migrations ORDER BY number`,
    format: 'JSONEachRow',
  })
  const applied = await answer.json<Applied>()
  for (const { number, name, checksum } of applied) {
    const known = migrations[number - 1]
    if (known === undefined) {
      throw new MigrationRefused(
        `ClickHouse has migration ${number} (${name}) in ${database}, which a newer version made; upgrade`,
      )
    }
    if (known.checksum !== checksum) {
      throw new MigrationRefused(
        `migration ${number} (${name}) was applied to ClickHouse with other content than it has here: ` +
          `${checksum.slice(0, 12)}, here ${known.checksum.slice(0, 12)}. Run the version that applied it, or drop the ` +
          `database ${database}: its rows are made again from the log`,
      )
    }
  }
  return new Set(applied.map(({ number }) => number))
}

/** Positions and searches ask one server: it has to hold every row, so a cluster has one shard. */
export async function checkCluster(client: ClickHouseClient, cluster: string): Promise<void> {
  // A name in braces is a macro of the server's own.
  if (cluster.startsWith('{')) return
  const answer = await client.query({
    query: 'SELECT toUInt32(uniqExact(shard_num)) AS shards FROM system.clusters WHERE cluster = {cluster:String}',
    query_params: { cluster },
    format: 'JSONEachRow',
  })
  const [found] = await answer.json<{ shards: number }>()
  if (found?.shards === 1) return
  throw new MigrationRefused(
    found?.shards
      ? `the cluster ${cluster} has ${found.shards} shards: name one that has one shard, and as many replicas as you like`
      : `ClickHouse knows no cluster ${cluster} (AEP_LEDGER_CLICKHOUSE_CLUSTER)`,
  )
}
