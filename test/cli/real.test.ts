import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hex } from '../../src/base/bytes.ts'
import { loadConfig } from '../../src/service/config.ts'
import { type Service, startService } from '../../src/service/start.ts'
import { alice, bob, chainOf, plainRecord, signed, type TestKey, texts } from '../support/aep.ts'
import { cli, type Ran } from './run.ts'

/** The verbs on a running service, on its data folder, and on files that they themselves wrote. */
describe('a service and its folder', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-real-'))
  const data = join(dir, 'data')
  const [keys, exported, receipts] = ['keys.json', 'all.dsse.jsonl', 'receipts.ndjson'].map(name =>
    join(dir, name),
  ) as [string, string, string]
  let service: Service | undefined
  /** A verb, as a person on the machine of the service types it. */
  const at = (...args: string[]): Promise<Ran> =>
    cli(args, { env: { AEP_LEDGER_DATA_DIR: data, AEP_LEDGER_URL: service?.url ?? '' } })

  before(async () => {
    const env = {
      AEP_LEDGER_PORT: '0',
      AEP_LEDGER_DATA_DIR: data,
      AEP_LEDGER_LOG_LEVEL: 'fatal',
      AEP_LEDGER_SEARCH: 'off',
    }
    const config = loadConfig(env)
    assert.ok(config.ok)
    service = await startService(config.config)
    const event = { specversion: '1.0', id: '1', source: 'urn:g', type: 'aep.decision', data: { decision: 'allow' } }
    const record = { ...event, id: '2', type: 'aep.record', data: { record: JSON.stringify(signed(plainRecord())) } }
    const file = join(dir, 'events.ndjson')
    writeFileSync(file, `${JSON.stringify(event)}\n${JSON.stringify(record)}\n`)
    const emitted = await at('emit', file, '--receipts', receipts)
    assert.match(emitted.out, /2 created/)
    writeFileSync(keys, (await at('keys', 'export')).out)
    assert.equal((await at('export', '--file', exported)).code, 0)
  })
  after(async () => {
    await service?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  it('are verified alike, and as their export is', async () => {
    for (const source of [service?.url ?? '', data, exported]) {
      const { code, out } = await at('verify', source, '--keys', keys, '--receipts', receipts, '-o', 'json')
      assert.equal(code, 0, out)
      assert.equal(JSON.parse(out).ledgers[0].entries, 3)
    }
  })

  it('show inspect the same entry, whose signature holds', async () => {
    for (const source of [service?.url ?? '', data, exported]) {
      const { code, out } = await at('inspect', source, '--seq', '1', '--keys', keys)
      assert.equal(code, 0, out)
      assert.match(out, /entry 1 of ledger default/)
      assert.match(out, /check +holds under key/)
    }
    assert.equal((await at('inspect', data, '--seq', '3')).code, 13)
    const record = await at('inspect', data, '--seq', '2', '-o', 'json')
    assert.match(record.out, /aep\.record/)
  })

  it('give files that inspect knows', async () => {
    const kinds = async (file: string) => {
      const { out } = await at('inspect', file, '-o', 'json')
      const told = JSON.parse(out) as { kind: string } | { kind: string }[]
      return [told].flat().map(({ kind }) => kind)
    }
    assert.deepEqual(await kinds(exported), ['envelope', 'envelope', 'envelope'])
    assert.deepEqual(await kinds(receipts), ['receipt', 'receipt'])
    assert.deepEqual(await kinds(keys), ['keys'])
  })

  it('are in order, as doctor sees them, and are not once a private key lies open', async () => {
    const states = async () => {
      const { code, out } = await at('doctor', '-o', 'json')
      const checks = JSON.parse(out).checks as { name: string; state: string; detail: string }[]
      return { code, checks: new Map(checks.map(({ name, ...check }) => [name, check])) }
    }
    const { code, checks } = await states()
    assert.equal(code, 0)
    assert.deepEqual(checks.get('log'), { state: 'ok', detail: '3 entries in 1 ledgers: default' })
    assert.equal(checks.get('writer')?.detail, `process ${process.pid} writes the log`)
    for (const name of ['data folder', 'signing keys', 'service', 'clock', 'token']) {
      assert.equal(checks.get(name)?.state, 'ok', name)
    }
    const file = join(data, 'keys', readdirSync(join(data, 'keys'))[0] ?? '')
    chmodSync(file, 0o644)
    const open = await states()
    chmodSync(file, 0o600)
    assert.equal(open.code, 10)
    assert.match(open.checks.get('signing keys')?.detail ?? '', /can be read by others: chmod 600/)
  })
})

describe('aep-ledger aep verify, on files of records', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-records-'))
  after(() => rmSync(dir, { recursive: true, force: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const keysOf = (...keys: TestKey[]) =>
    file(
      'keys.json',
      JSON.stringify({ keys: keys.map(key => ({ key_id: key.keyId, public_hex: hex(key.publicKey) })) }),
    )
  const judged = async (...args: string[]) => {
    const { code, out, err } = await cli(['aep', 'verify', ...args])
    const lines = out.split('\n').filter(line => line !== '')
    return { code, err, verdicts: lines.map(line => JSON.parse(line).verdict as string) }
  }

  it('accepts records under keys that were given, rejects others and changed ones', async () => {
    const [good, other] = [signed(plainRecord()), signed(plainRecord(), bob)]
    const lines = file('records.jsonl', texts([good, other]).join('\n'))
    assert.deepEqual(await judged(lines, '--keys', keysOf(alice, bob)), {
      code: 0,
      err: '2 records accepted, 0 rejected\n',
      verdicts: ['accept', 'accept'],
    })
    const one = await judged(lines, '--keys', keysOf(alice))
    assert.deepEqual([one.code, one.verdicts], [10, ['accept', 'reject']])
    const none = await judged(lines)
    assert.deepEqual([none.code, none.verdicts], [11, ['reject', 'reject']])
    const changed = file('changed.json', JSON.stringify({ ...good, run_id: 'another' }))
    assert.equal((await judged(changed)).code, 11)
    assert.equal((await judged(changed, '--keys', keysOf(alice))).code, 10)
  })

  it('judges the links of a chain', async () => {
    const chain = chainOf(3)
    const whole = file('chain.jsonl', texts(chain).join('\n'))
    const cut = file('cut.jsonl', texts([...chain.slice(0, 1), ...chain.slice(2)]).join('\n'))
    const keys = keysOf(alice)
    assert.equal((await judged(whole, '--chain', '--keys', keys)).code, 0)
    assert.equal((await judged(cut, '--chain', '--keys', keys)).code, 10)
  })

  it('is what aep conformance judges a folder by', async () => {
    const folder = join(dir, 'conformance')
    mkdirSync(folder)
    const vector = (id: string, record: object, verdict: string) =>
      JSON.stringify({
        id,
        kind: 'record',
        input: { text: JSON.stringify(record) },
        keyring: [alice.keyId],
        expected: { verdict, level: 'must' },
      })
    const good = signed(plainRecord())
    const run = async (...vectors: string[]) => {
      writeFileSync(join(folder, 'vectors.jsonl'), vectors.join('\n'))
      const { code, out, err } = await cli(['aep', 'conformance', folder])
      return {
        code,
        ids: out
          .trimEnd()
          .split('\n')
          .map(line => JSON.parse(line).id),
        err,
      }
    }
    const files = [
      { file: 'keys.json', kind: 'keys' },
      { file: 'vectors.jsonl', kind: 'record' },
    ]
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ files }))
    const keys = { keys: [{ key_id: alice.keyId, public_hex: hex(alice.publicKey) }] }
    writeFileSync(join(folder, 'keys.json'), JSON.stringify(keys))
    const right = await run(vector('a', good, 'accept'), vector('b', { ...good, run_id: 'x' }, 'reject'))
    assert.deepEqual([right.code, right.ids], [0, ['a', 'b']], right.err)
    const wrong = await run(vector('a', good, 'reject'))
    assert.equal(wrong.code, 10)
    assert.match(wrong.err, /must vectors\.jsonl a: accept .*expected reject/)
  })
})

describe('aep-ledger completion', () => {
  it('is a script that bash takes, and names verbs, their verbs and options', async () => {
    const { out } = await cli(['completion', 'bash'])
    execFileSync('bash', ['-n'], { input: out })
    const complete = async (...words: string[]) => (await cli(['complete', '--', ...words])).out
    assert.match(await complete('insp'), /^inspect\t/)
    assert.match(await complete('aep', 'ver'), /^verify\t/)
    assert.match(await complete('verify', '--rec'), /--receipts\t.*\n--records\t/)
  })
})
