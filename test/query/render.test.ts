import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createClient } from '@clickhouse/client'
import { readMigrations } from '../../src/query/clickhouse/migrate.ts'
import { databaseSql, type Place, render } from '../../src/query/clickhouse/render.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { newFolder, noEngine } from './folders.ts'

const places: Readonly<Record<string, Place>> = {
  server: { database: 'aep_ledger' },
  'other-database': { database: 'acme' },
  cluster: { database: 'acme', cluster: 'main' },
}
const rendered = (place: Place): string =>
  `${[databaseSql(place), ...readMigrations().flatMap(({ sql }) => render(sql, place))].join(';\n\n')};\n`
/** Written by `RENDERED=write node --test test/query/render.test.ts`, and read before they are committed. */
const golden = new URL('rendered/', import.meta.url)
if (process.env['RENDERED'] === 'write') {
  for (const [name, place] of Object.entries(places)) writeFileSync(new URL(`${name}.sql`, golden), rendered(place))
}

describe('migrations as they are rendered', () => {
  for (const [name, place] of Object.entries(places)) {
    it(`are what the golden file says, for ${name}`, () => {
      assert.equal(rendered(place), readFileSync(new URL(`${name}.sql`, golden), 'utf8'))
    })
  }

  it('have a golden file for each place, and no other', () => {
    assert.deepEqual(
      readdirSync(golden).sort(),
      Object.keys(places)
        .map(name => `${name}.sql`)
        .sort(),
    )
  })

  it('leave nothing of one server on a cluster, and nothing of the default database in another', () => {
    const statements = readMigrations().flatMap(({ sql }) => render(sql, { database: 'acme', cluster: 'main' }))
    for (const statement of statements) {
      assert.match(statement, /^[A-Z ]+ acme\.\w+ ON CLUSTER 'main'/)
      assert.doesNotMatch(statement, /aep_ledger|ENGINE = (?!Replicated)|non_replicated/)
    }
  })

  it('are refused where a statement could not be said of a cluster', () => {
    for (const statement of ['INSERT INTO aep_ledger.t VALUES (1)', 'CREATE TABLE aep_ledger.t (a Int8)', 'SELECT 1']) {
      assert.throws(() => render(`${statement};`, { database: 'acme' }), /no migration may begin so/)
    }
  })

  describe('by ClickHouse itself', { skip: noEngine }, () => {
    const folder = newFolder()
    let engine: Engine
    before(async () => {
      engine = await startEngine({ dir: join(folder.path, 'engine') })
      await engine.ready
    })
    after(async () => {
      await engine.close()
      folder.remove()
    })

    for (const [name, place] of Object.entries(places)) {
      it(`are statements that it understands, for ${name}`, async () => {
        const { origin, pathname } = new URL(engine.url)
        const client = createClient({ url: origin, pathname, ...engine.writer, log: { level: 127 } })
        try {
          for (const statement of readMigrations().flatMap(({ sql }) => render(sql, place))) {
            const query = 'SELECT formatQuery({statement:String}) AS text'
            const answer = await client.query({ query, query_params: { statement }, format: 'JSONEachRow' })
            const [parsed] = await answer.json<{ text: string }>()
            const isCluster = place.cluster !== undefined
            assert.equal(/ ON CLUSTER (main|`main`)/.test(parsed?.text ?? ''), isCluster, parsed?.text)
          }
        } finally {
          await client.close()
        }
      })
    }
  })
})
