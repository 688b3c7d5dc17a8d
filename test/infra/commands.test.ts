import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFree } from '../../infra/ports.ts'
import { repository } from '../../infra/serve.ts'
import { noEngine } from '../query/folders.ts'
import { noKafka } from './engines.ts'

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

function command(path: string, ...args: readonly string[]): Command {
  const child = spawn(process.execPath, [join(repository, path), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
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
    /^AEP_LEDGER_CLICKHOUSE_URL=(\S+) AEP_LEDGER_CLICKHOUSE_USER=(\S+) AEP_LEDGER_CLICKHOUSE_PASSWORD=(\S+)\n/m

  async function ask(found: RegExpExecArray, sql: string): Promise<string> {
    const [, url = '', user, password] = found
    const headers = { authorization: `Basic ${btoa(`${user}:${password}`)}` }
    return (await (await fetch(url, { method: 'POST', body: sql, headers })).text()).trim()
  }

  it('answers a query, and keeps data, address and login from start to start', async () => {
    const first = command(clickhouse, '--dir', join(dir, 'clickhouse'))
    const found = await first.printed(address)
    assert.match(await ask(found, 'SELECT version()'), /^\d+\.\d+/)
    await ask(found, 'CREATE DATABASE aep_ledger')
    await ask(found, 'CREATE TABLE aep_ledger.t (a Int32) ENGINE = MergeTree ORDER BY a')
    assert.equal(await ask(found, 'INSERT INTO aep_ledger.t VALUES (7)'), '')
    first.child.kill('SIGTERM')
    assert.equal(await first.ended, 0, first.said())

    const port = new URL(found[1] ?? '').port
    await untilFree(Number(port))
    const second = command(clickhouse, '--dir', join(dir, 'clickhouse'), '--port', port)
    await second.printed(address)
    assert.equal(await ask(found, 'SELECT a FROM aep_ledger.t'), '7')
    const third = command(clickhouse, '--dir', join(dir, 'other'), '--port', port)
    assert.equal(await third.ended, 1)
    assert.match(third.said(), /is taken: choose another/)
    second.child.kill('SIGTERM')
    assert.equal(await second.ended, 0, second.said())
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
