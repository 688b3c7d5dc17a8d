import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { ClickHouseClient } from '@clickhouse/client'
import { database } from '../server.ts'

/**
 * Numbered SQL migrations: `NNNN_name.sql`, applied in order, once each, their SHA-256 kept in `_migrations`. ClickHouse
 * has no transactions around them, so every statement is one that may run twice (IF NOT EXISTS and the like); statements
 * end with `;` at the end of a line. A migration that was applied is never edited: another one follows it.
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

/**
 * Brings the database up to `migrations`. Throws `MigrationRefused`, having changed nothing, when one that was applied
 * has another checksum here, or when there are some that this version does not know.
 */
export async function migrate(client: ClickHouseClient, migrations = readMigrations()): Promise<void> {
  await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` })
  await client.command({
    query: `CREATE TABLE IF NOT EXISTS ${database}._migrations
      (number UInt32, name String, checksum String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY number`,
  })
  const answer = await client.query({
    query: `SELECT DISTINCT number, name, checksum FROM ${database}._migrations ORDER BY number`,
    format: 'JSONEachRow',
  })
  const applied = await answer.json<Applied>()
  for (const { number, name, checksum } of applied) {
    const known = migrations[number - 1]
    if (known === undefined) {
      throw new MigrationRefused(`ClickHouse has migration ${number} (${name}), which a newer version made; upgrade`)
    }
    if (known.checksum !== checksum) {
      throw new MigrationRefused(
        `migration ${number} (${name}) was applied to ClickHouse with other content than it has here: ` +
          `${checksum.slice(0, 12)}, here ${known.checksum.slice(0, 12)}`,
      )
    }
  }
  for (const migration of migrations.slice(applied.length)) await apply(client, migration)
}

async function apply(client: ClickHouseClient, { number, name, sql, checksum }: Migration): Promise<void> {
  for (const statement of statementsOf(sql)) {
    await client.command({ query: statement })
  }
  await client.insert({
    table: `${database}._migrations`,
    values: [{ number, name, checksum }],
    columns: ['number', 'name', 'checksum'],
    format: 'JSONEachRow',
  })
}

/** Statements of a script, without comments that stand on their own lines. */
const statementsOf = (sql: string): string[] =>
  sql
    .replaceAll(/^--.*$/gm, '')
    .split(/;\s*$/m)
    .map(statement => statement.trim())
    .filter(statement => statement !== '')
