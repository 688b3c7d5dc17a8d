import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, isFree } from '../../infra/ports.ts'
import { repository, serve } from '../../infra/serve.ts'
import { noEngine } from '../query/folders.ts'
import { noKafka } from './engines.ts'
import { Client } from './kafka-client.ts'

/** The two commands as a developer starts them. */

const dir = mkdtempSync(join(tmpdir(), 'aep-commands-'))
after(() => rmSync(dir, { recursive: true, force: true }))

interface Command {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  /** Resolves when it has printed `pattern`; rejects when it ends without. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
  said(): string
}

const command = (path: string, ...args: readonly string[]): Command =>
  started(process.execPath, [join(repository, path), ...args])

/** `npm run NAME -- ARGS`, as the documentation has it. */
const npmRun = (name: string, ...args: readonly string[]): Command => started('npm', ['run', '-s', name, '--', ...args])

function started(program: string, args: readonly string[]): Command {
  const child = spawn(program, args, { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let all = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    all += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all += text
  })
  let over = false
  const ended = new Promise<number | null>(resolve => child.on('close', code => resolve(code)))
  void ended.then(() => {
    over = true
  })
  const printed = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(out)
      if (found !== null) return found
      assert.ok(!over, `it ended: ${all}`)
      await sleep(20)
    }
  }
  return { child, ended, printed, said: () => all }
}

async function untilFree(port: number): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await sleep(50)) if (await isFree(port)) return
  assert.fail(`port ${port} is still listened on`)
}

const kafka = 'infra/kafka/main.ts'
const clickhouse = 'infra/clickhouse/main.ts'

describe('npm run kafka', { skip: noKafka }, () => {
  const line = /^Kafka listens on 127\.0\.0\.1:(\d+)\n/m

  it('prints its address when it is ready, and ends in order on SIGTERM', async () => {
    const run = command(kafka, '--dir', join(dir, 'kafka'))
    const port = Number((await run.printed(line))[1])
    assert.equal(await isFree(port), false)
    run.child.kill('SIGTERM')
    assert.equal(await run.ended, 0, run.said())
    await untilFree(port)
  })

  it('listens on the port that it is told', async () => {
    const [port = 0] = await freePorts(1)
    const run = npmRun('kafka', '--port', String(port), '--dir', join(dir, 'kafka'))
    assert.equal(Number((await run.printed(line))[1]), port)
    run.child.kill('SIGTERM')
    assert.equal(await run.ended, 0, run.said())
    await untilFree(port)
  })

  it('runs three brokers, at ports of which the first is told', async () => {
    const port = (await freePorts(1))[0] ?? 0
    const run = npmRun('kafka', '--brokers', '3', '--port', String(port), '--dir', join(dir, 'kafka-3'))
    const ports = [port, port + 1, port + 2]
    const [, bootstrap = ''] = await run.printed(/^Kafka listens on (\S+)\n/m)
    assert.equal(bootstrap, ports.map(n => `127.0.0.1:${n}`).join())
    const client = new Client([bootstrap.split(',')[2] ?? ''])
    assert.equal((await client.asAdmin(admin => admin.describeCluster())).brokers.length, 3)
    run.child.kill('SIGTERM')
    assert.equal(await run.ended, 0, run.said())
    for (const one of ports) await untilFree(one)
  })

  it('takes its brokers along when it is killed', async () => {
    const run = command(kafka, '--dir', join(dir, 'kafka'))
    const port = Number((await run.printed(line))[1])
    run.child.kill('SIGKILL')
    await run.ended
    await untilFree(port)
  })
})

describe('npm run clickhouse', { skip: noEngine }, () => {
  const address =
    /^AEP_LEDGER_CLICKHOUSE_URL=(\S+)(?: AEP_LEDGER_CLICKHOUSE_USER=(\S+) AEP_LEDGER_CLICKHOUSE_PASSWORD=(\S+))?\n/m

  async function ask(url: string, sql: string, login?: string): Promise<string> {
    const headers = login === undefined ? {} : { authorization: `Basic ${btoa(login)}` }
    return (await (await fetch(url, { method: 'POST', body: sql, headers })).text()).trim()
  }

  it('answers whoever knows its port, and keeps data from start to start', async () => {
    const [port = 0] = await freePorts(1)
    const url = `http://127.0.0.1:${port}/`
    const at = ['--port', String(port), '--dir', join(dir, 'clickhouse')]
    const first = npmRun('clickhouse', ...at)
    assert.equal((await first.printed(address))[0], `AEP_LEDGER_CLICKHOUSE_URL=${url}\n`)
    assert.match(await ask(url, 'SELECT version()'), /^\d+\.\d+/)
    await ask(url, 'CREATE DATABASE aep_ledger')
    await ask(url, 'CREATE TABLE aep_ledger.t (a Int32) ENGINE = MergeTree ORDER BY a')
    assert.equal(await ask(url, 'INSERT INTO aep_ledger.t VALUES (7)'), '')
    first.child.kill('SIGTERM')
    assert.equal(await first.ended, 0, first.said())
    await untilFree(port)

    const second = command(clickhouse, ...at)
    await second.printed(address)
    assert.equal(await ask(url, 'SELECT a FROM aep_ledger.t'), '7')
    const third = command(clickhouse, '--dir', join(dir, 'other'), '--port', String(port))
    assert.equal(await third.ended, 1)
    assert.match(third.said(), /is taken: choose another/)
    second.child.kill('SIGTERM')
    assert.equal(await second.ended, 0, second.said())
  })

  it('is the ClickHouse of a service that is told its address and nothing else', async () => {
    const run = command(clickhouse, '--dir', join(dir, 'clickhouse'))
    const [, url = ''] = await run.printed(address)
    const service = await serve(join(dir, 'data'), { AEP_LEDGER_CLICKHOUSE_URL: url, AEP_LEDGER_LOG_LEVEL: 'fatal' })
    try {
      while (!/^[1-9]/.test(await ask(url, 'SELECT count() FROM aep_ledger.entry_rows'))) await sleep(50)
    } finally {
      await service.stop()
      run.child.kill('SIGTERM')
      assert.equal(await run.ended, 0, run.said())
    }
  })

  it('lets in nobody but who has the password it is given, at an address that stays', async () => {
    const given = ['--dir', join(dir, 'clickhouse-login'), '--user', 'ann', '--password', 'a.word']
    const first = command(clickhouse, ...given)
    const [, url = '', user, password] = await first.printed(address)
    assert.deepEqual([user, password], ['ann', 'a.word'])
    assert.equal(await ask(url, 'SELECT currentUser()', 'ann:a.word'), 'ann')
    assert.match(await ask(url, 'SELECT 1', 'ann:a.word.'), /^Code: 516\./)
    assert.match(await ask(url, 'CREATE DATABASE aep_ledger'), /^Code: 497\./)
    const { port } = new URL(url)
    assert.equal((await fetch(`http://127.0.0.1:${port}/?query=SELECT+1`)).status, 404)
    first.child.kill('SIGTERM')
    assert.equal(await first.ended, 0, first.said())
    await untilFree(Number(port))
    const second = command(clickhouse, ...given, '--port', port)
    assert.equal((await second.printed(address))[1], url)
    second.child.kill('SIGTERM')
    await second.ended
  })

  it('refuses a login that would be none', async () => {
    for (const args of [
      ['--user', 'ann'],
      ['--password', ''],
      ['--password', 'two words'],
      ['--password', 'x', '--user', 'default'],
      ['--password', 'x', '--user', 'a b'],
    ]) {
      assert.equal(await command(clickhouse, ...args).ended, 2, args.join(' '))
    }
  })
})

describe('both commands', () => {
  for (const path of [kafka, clickhouse]) {
    it(`${path} explains itself with an example, and refuses what it doesn't know`, async () => {
      const help = command(path, '--help')
      assert.equal(await help.ended, 0)
      assert.match(help.said(), /--port N[\s\S]*--dir DIR[\s\S]*Example: npm run /)
      for (const args of [
        ['--colour', 'red'],
        ['--port', 'http'],
      ]) {
        const wrong = command(path, ...args)
        assert.equal(await wrong.ended, 2, args.join(' '))
      }
    })
  }
})
