import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@clickhouse/client'
import { freePorts } from '../../infra/ports.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { type EngineSecrets, newSecrets } from '../../src/query/engine/launch.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { newFolder, noEngine } from '../query/folders.ts'

/** What the service does while a ClickHouse that is not its own is in a bad way: each time it takes events, and recovers. */
describe('a service whose ClickHouse is in a bad way', { skip: noEngine }, () => {
  const folder = newFolder()
  let port = 0
  let secrets: EngineSecrets
  let engine: Engine
  let serving: Serving | undefined
  let number = 0
  before(async () => {
    port = (await freePorts(1))[0] ?? 0
    secrets = newSecrets()
    engine = await start()
  })
  afterEach(async () => {
    await serving?.kill()
    serving = undefined
  })
  after(async () => {
    await engine.close()
    folder.remove()
  })

  async function start(): Promise<Engine> {
    const started = await startEngine({ dir: join(folder.path, 'engine'), fixed: { port, secrets } })
    await started.ready
    return started
  }
  async function command(query: string): Promise<void> {
    const { origin, pathname } = new URL(engine.url)
    const client = createClient({ url: origin, pathname, ...engine.writer, log: { level: 127 } })
    try {
      await client.command({ query })
    } finally {
      await client.close()
    }
  }
  /** A service of its own database. */
  async function serveOn(login = engine.writer, url = engine.url): Promise<{ database: string; at: Serving }> {
    const database = `aep_ledger_${++number}`
    const at = await serve(join(folder.path, `service-${number}`), {
      AEP_LEDGER_CLICKHOUSE_URL: url,
      AEP_LEDGER_CLICKHOUSE_USER: login.username,
      AEP_LEDGER_CLICKHOUSE_PASSWORD: login.password,
      AEP_LEDGER_CLICKHOUSE_DATABASE: database,
      AEP_LEDGER_LOG_LEVEL: 'error',
    })
    serving = at
    return { database, at }
  }
  const asking = (at: Serving, type?: string): Record<string, string> => ({
    authorization: `Bearer ${at.token}`,
    ...(type === undefined ? {} : { 'content-type': type }),
  })
  async function send(at: Serving, id: string): Promise<void> {
    const event = { specversion: '1.0', id, source: 'urn:g', type: 'aep.decision', data: { decision: 'allow' } }
    const answer = await fetch(`${at.url}/v1/ledgers/default/events`, {
      method: 'POST',
      headers: asking(at, 'application/cloudevents+json'),
      body: JSON.stringify(event),
    })
    assert.equal(answer.status, 201, await answer.text())
  }
  interface Found {
    readonly status: number
    readonly body: { readonly detail?: string; readonly complete?: boolean; readonly items?: readonly unknown[] }
  }
  async function search(at: Serving): Promise<Found> {
    const answer = await fetch(`${at.url}/v1/ledgers/default/events`, { headers: asking(at) })
    return { status: answer.status, body: (await answer.json()) as Found['body'] }
  }
  const isWhole = ({ status, body }: Found): boolean => status === 200 && body.complete === true
  /** Asks until it is so: nobody but the service does anything about it. */
  async function until(at: Serving, holds: (found: Found) => boolean): Promise<Found> {
    for (let tries = 0; ; tries++) {
      const found = await search(at)
      if (holds(found)) return found
      assert.ok(tries < 400, JSON.stringify(found))
      await sleep(100)
    }
  }

  it('says so while it is down, and fills the rows when it is there again', async () => {
    const { at } = await serveOn()
    await send(at, 'before')
    await until(at, isWhole)
    await engine.close()
    await send(at, 'down')
    const { status, body } = await search(at)
    assert.equal(status, 503)
    assert.match(body.detail ?? '', /ClickHouse does not answer/)
    engine = await start()
    assert.equal((await until(at, isWhole)).body.items?.length, 3)
  })

  it('says so while it answers nothing, and goes on when it does', async () => {
    const { at } = await serveOn()
    await send(at, 'before')
    await until(at, isWhole)
    process.kill(engine.pid ?? 0, 'SIGSTOP')
    try {
      const searching = search(at)
      await send(at, 'hangs')
      const { status, body } = await searching
      assert.equal(status, 503)
      assert.match(body.detail ?? '', /ClickHouse does not answer/)
    } finally {
      process.kill(engine.pid ?? 0, 'SIGCONT')
    }
    assert.equal((await until(at, isWhole)).body.items?.length, 3)
  })

  it('takes events while its disk is full, and says that search does not know them', async () => {
    const { at, database } = await serveOn()
    await send(at, 'before')
    await until(at, isWhole)
    const table = `ALTER TABLE ${database}.entry_rows`
    await command(`${table} MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000`)
    await send(at, 'full')
    const { status, body } = await search(at)
    assert.deepEqual([status, body.complete, body.items?.length], [200, false, 2])
    await until(at, found => found.status === 200)
    const health = await fetch(`${at.url}/readyz`)
    assert.match(await health.text(), /NOT_ENOUGH_SPACE/)
    await command(`${table} RESET SETTING min_free_disk_bytes_to_perform_insert`)
    assert.equal((await until(at, isWhole)).body.items?.length, 3)
  })

  it('says so while it is out of memory for every statement, and goes on when it is not', async () => {
    const starving = await starvable(engine.url)
    const { at } = await serveOn(engine.writer, starving.url)
    try {
      await send(at, 'before')
      await until(at, isWhole)
      starving.isStarved = true
      await send(at, 'starved')
      const { status, body } = await search(at)
      assert.equal(status, 503)
      assert.match(body.detail ?? '', /too much memory/)
      for (let tries = 0; ; tries++) {
        const health = await (await fetch(`${at.url}/readyz`)).text()
        if (/too much memory/.test(health)) break
        assert.ok(tries < 200, health)
        await sleep(50)
      }
      starving.isStarved = false
      assert.equal((await until(at, isWhole)).body.items?.length, 3)
    } finally {
      await at.kill()
      starving.close()
    }
  })

  it('makes the tables and the rows again where they are gone', async () => {
    const { at, database } = await serveOn()
    await send(at, 'before')
    await until(at, isWhole)
    await command(`DROP DATABASE ${database} SYNC`)
    assert.equal((await until(at, isWhole)).body.items?.length, 2)
    await send(at, 'after')
    assert.equal((await until(at, isWhole)).body.items?.length, 3)
  })

  it('names the refusal of a user that may not write', async () => {
    const { at } = await serveOn(engine.reader)
    await send(at, 'read only')
    const { status, body } = await search(at)
    assert.equal(status, 503)
    assert.match(body.detail ?? '', /READONLY|ACCESS_DENIED/)
  })

  it('names the newer version that made the tables, and goes on when they are its own', async () => {
    const { at: first, database } = await serveOn()
    await until(first, isWhole)
    await first.kill()
    await command(`INSERT INTO ${database}._migrations (number, name, checksum) VALUES (99, 'future', 'x')`)
    number -= 1
    const { at } = await serveOn()
    await send(at, 'newer')
    const { status, body } = await search(at)
    assert.equal(status, 503)
    assert.match(body.detail ?? '', /migration 99 \(future\) in .* which a newer version made; upgrade/)
    await command(`DELETE FROM ${database}._migrations WHERE number = 99 SETTINGS lightweight_deletes_sync = 2`)
    assert.equal((await until(at, isWhole)).body.items?.length, 2)
  })
})

/** A way to ClickHouse on which every statement can be given next to no memory. */
async function starvable(to: string): Promise<{ readonly url: string; isStarved: boolean; close(): void }> {
  const server = createServer((asked, reply) => {
    const starved = way.isStarved ? '&max_memory_usage=1&max_untracked_memory=0' : ''
    const { method, headers } = asked
    const forwarded = request(new URL(`${asked.url}${starved}`, to), { method, headers }, answer => {
      reply.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(reply)
    })
    forwarded.on('error', () => reply.destroy())
    asked.pipe(forwarded)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  const way = { url: `http://127.0.0.1:${port}${new URL(to).pathname}`, isStarved: false, close }
  return way
}
