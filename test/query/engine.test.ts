import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import type { Login } from '../../src/query/server.ts'
import { newFolder, noEngine } from './folders.ts'

async function ask(engine: Engine, login: Login, sql: string, more = ''): Promise<string> {
  const authorization = `Basic ${btoa(`${login.username}:${login.password}`)}`
  const answer = await fetch(`${engine.url}${more}`, { method: 'POST', body: sql, headers: { authorization } })
  return (await answer.text()).trim()
}

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(what: string, holds: () => boolean | Promise<boolean>, msMax = 30_000): Promise<void> {
  for (const end = performance.now() + msMax; performance.now() < end; await sleep(25)) if (await holds()) return
  assert.fail(`not within ${msMax} ms: ${what}`)
}

describe('the engine', { skip: noEngine }, () => {
  const folder = newFolder()
  const changes: string[] = []
  let engine: Engine
  before(async () => {
    engine = await startEngine({ dir: folder.path })
    engine.onChange((status, reason) => changes.push(reason === undefined ? status : `${status}: ${reason}`))
    await engine.ready
  })
  after(async () => {
    await engine.close()
    folder.remove()
  })

  it('is a ClickHouse that answers its writer and its reader', async () => {
    assert.match(await ask(engine, engine.writer, 'SELECT version()'), /^\d+\.\d+/)
    assert.equal(await ask(engine, engine.reader, 'SELECT currentUser()'), 'reader')
  })

  it('listens on loopback alone', () => {
    assert.equal(new URL(engine.url).hostname, '127.0.0.1')
  })

  it('shows no secret in its arguments or environment', { skip: platform() !== 'linux' && 'no /proc' }, () => {
    for (const file of ['cmdline', 'environ']) {
      const text = readFileSync(`/proc/${engine.pid}/${file}`, 'latin1')
      for (const secret of [engine.writer.password, engine.reader.password, new URL(engine.url).pathname.slice(1)]) {
        assert.ok(secret.length > 20 && !text.includes(secret), file)
      }
    }
  })

  it('keeps its files to their owner, and no password in those that it reads', () => {
    const files = readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
      .filter(path => /\.(xml|json)$/.test(path) && !path.startsWith('data'))
      .map(path => join(folder.path, path))
    assert.equal(files.length, 3)
    for (const path of files) {
      assert.equal(statSync(path).mode & 0o777, 0o600, path)
      if (path.endsWith('.xml')) assert.ok(!readFileSync(path, 'utf8').includes(engine.writer.password), path)
    }
  })

  it('refuses who has a wrong password, or no part in the secret path', async () => {
    assert.match(await ask(engine, { ...engine.reader, password: 'wrong' }, 'SELECT 1'), /^Code: 516/)
    const nowhere = new URL('/', engine.url)
    assert.match(await (await fetch(`${nowhere}?query=SELECT+1`)).text(), /There is no handle/)
    assert.match(await (await fetch(`${nowhere}?query=SELECT+1&user=default`)).text(), /There is no handle/)
  })

  const refusals: readonly (readonly [string, string])[] = [
    ['file()', `SELECT * FROM file('/etc/passwd', LineAsString)`],
    ['the scalar file()', `SELECT file('/etc/passwd')`],
    ['the scalar file() with a default', `SELECT throwIf(file('/etc/passwd', 'nothing') = 'nothing')`],
    ['url()', `SELECT * FROM url('http://127.0.0.1:9/', LineAsString)`],
    ['remote()', `SELECT * FROM remote('127.0.0.1:9000', system.one)`],
    ['s3()', `SELECT * FROM s3('http://127.0.0.1:9/bucket/key.csv', CSV)`],
    ['mysql()', `SELECT * FROM mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')`],
    ['sqlite()', `SELECT * FROM sqlite('/tmp/x.db', 't')`],
    ['executable()', `SELECT * FROM executable('ls', TSV, 'a String')`],
    ['a temporary table of files', `CREATE TEMPORARY TABLE t (a String) ENGINE = File(LineAsString, '/etc/passwd')`],
    ['system.users', 'SELECT * FROM system.users'],
    ['system.processes', 'SELECT * FROM system.processes'],
    ['system.parts', 'SELECT * FROM system.parts'],
    ['information_schema', 'SELECT * FROM information_schema.tables'],
    ['stopping the listener', 'SYSTEM STOP LISTEN HTTP'],
    ['killing queries', 'KILL QUERY WHERE 1'],
    ['making a database', 'CREATE DATABASE stray'],
    ['leaving its read-only profile', 'SET readonly = 0'],
  ]
  for (const [what, sql] of refusals) {
    it(`refuses its reader ${what}`, async t => {
      if (what.startsWith('the scalar') && !engine.confined) return t.skip('this kernel has no Landlock')
      assert.match(await ask(engine, engine.reader, sql), /^Code: \d+/)
    })
  }

  it('refuses its reader to write, and a longer time than its profile gives', async () => {
    await ask(engine, engine.writer, 'CREATE DATABASE IF NOT EXISTS aep_ledger')
    await ask(engine, engine.writer, 'CREATE TABLE aep_ledger.t (a Int32) ENGINE = MergeTree ORDER BY a')
    assert.match(await ask(engine, engine.reader, 'INSERT INTO aep_ledger.t VALUES (1)'), /^Code: (164|497)/)
    assert.match(await ask(engine, engine.reader, 'DROP TABLE aep_ledger.t'), /^Code: (164|497)/)
    assert.match(await ask(engine, engine.reader, 'SELECT 1', '?max_execution_time=100'), /^Code: 164/)
    assert.equal(await ask(engine, engine.reader, 'SELECT 1', '?max_execution_time=10'), '1')
  })

  it('gives its writer the database and nothing beside it', async () => {
    assert.match(await ask(engine, engine.writer, 'CREATE DATABASE stray'), /^Code: 497/)
    assert.match(await ask(engine, engine.writer, `SELECT * FROM file('/etc/passwd', LineAsString)`), /^Code: 497/)
    assert.match(
      await ask(engine, engine.writer, `CREATE TABLE aep_ledger.f (a String) ENGINE = File(CSV)`),
      /^Code: 497/,
    )
    if (engine.confined) assert.match(await ask(engine, engine.writer, `SELECT file('/etc/passwd')`), /^Code: \d+/)
  })

  it('is started again, with its data and other passwords, when it is killed', async () => {
    await ask(engine, engine.writer, 'INSERT INTO aep_ledger.t VALUES (7)')
    const [pid, password] = [engine.pid ?? 0, engine.writer.password]
    changes.length = 0
    process.kill(pid, 'SIGKILL')
    await until('down', () => engine.status() === 'down')
    assert.equal(engine.reason, 'it ended with SIGKILL')
    await until('up again', () => engine.status() === 'up')
    assert.equal(engine.reason, undefined)
    assert.notEqual(engine.pid, pid)
    assert.notEqual(engine.writer.password, password)
    assert.equal(await ask(engine, engine.reader, 'SELECT a FROM aep_ledger.t'), '7')
    assert.deepEqual(changes.slice(0, 1), ['down: it ended with SIGKILL'])
    assert.equal(changes.at(-1), 'up')
  })

  it('tells a second service on its folder what is wrong, unharmed, and hands over when it ends', async () => {
    const second = await startEngine({ dir: folder.path })
    try {
      await until('a reason', () => second.reason !== undefined)
      assert.match(second.reason ?? '', /another process has .* open/)
      assert.equal(second.status() === 'up', false)
      assert.equal(await ask(engine, engine.reader, 'SELECT a FROM aep_ledger.t'), '7')
      assert.ok(existsSync(join(folder.path, 'connection.json')))
      await engine.close()
      await second.ready
      assert.equal(await ask(second, second.reader, 'SELECT a FROM aep_ledger.t'), '7')
    } finally {
      await second.close()
    }
  })
})

describe('an engine that starts', { skip: noEngine }, () => {
  it('takes another port when one is taken', async () => {
    const folder = newFolder()
    const busy = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const address = busy.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const reasons: (string | undefined)[] = []
    const engine = await startEngine({ dir: folder.path, port })
    engine.onChange((_, reason) => reasons.push(reason))
    try {
      await engine.ready
      assert.equal(reasons[0], `port ${port} of 127.0.0.1 is taken`)
      assert.notEqual(new URL(engine.url).port, String(port))
    } finally {
      await engine.close()
      busy.close()
      folder.remove()
    }
  })

  it('is gone soon after its parent is killed', async () => {
    const folder = newFolder()
    const script = fileURLToPath(new URL('parent.ts', import.meta.url))
    const parent = spawn(process.execPath, [script, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(String(said))
      assert.ok(isThere(pid))
      parent.kill('SIGKILL')
      await until('gone', () => !isThere(pid), 5_000)
    } finally {
      parent.kill('SIGKILL')
      folder.remove()
    }
  })

  it('ends within seconds, even while it starts, and is not ready then', async () => {
    const folder = newFolder()
    const engine = await startEngine({ dir: folder.path })
    await sleep(100)
    const start = performance.now()
    await engine.close()
    assert.ok(performance.now() - start < 5_000)
    await assert.rejects(engine.ready, /closed/)
    assert.equal(engine.status(), 'down')
    folder.remove()
  })
})

describe('an engine that cannot start', () => {
  it('says so at once on a machine that it has no library for', async () => {
    const folder = newFolder()
    const before = process.env['CHDB_LIBCHDB_PATH']
    process.env['CHDB_LIBCHDB_PATH'] = join(folder.path, 'nothing.so')
    try {
      const engine = await startEngine({ dir: folder.path })
      assert.equal(engine.status(), 'down')
      assert.match(engine.reason ?? '', /no ClickHouse for this machine, so search is off/)
      await assert.rejects(engine.ready)
      await engine.close()
    } finally {
      if (before === undefined) delete process.env['CHDB_LIBCHDB_PATH']
      else process.env['CHDB_LIBCHDB_PATH'] = before
      folder.remove()
    }
  })

  it('is down, with the loader’s words, when its library is none, and is tried again', async () => {
    const folder = newFolder()
    const library = join(folder.path, 'broken.so')
    writeFileSync(library, 'no library')
    const engine = await startEngine({ dir: join(folder.path, 'clickhouse'), library })
    let tries = 0
    engine.onChange(status => {
      if (status === 'starting') tries++
    })
    try {
      await until('down', () => engine.status() === 'down')
      assert.match(engine.reason ?? '', /broken\.so|ELF|header/)
      await until('another try', () => tries > 0)
    } finally {
      await engine.close()
      folder.remove()
    }
  })

  it('says that it cannot write its folder', {
    skip: process.getuid?.() === 0 && 'root may write anywhere',
  }, async () => {
    const folder = newFolder()
    chmodSync(folder.path, 0o500)
    const engine = await startEngine({ dir: join(folder.path, 'clickhouse') })
    assert.equal(engine.status(), 'down')
    assert.match(engine.reason ?? '', /EACCES/)
    await engine.close()
    chmodSync(folder.path, 0o700)
    folder.remove()
  })
})
