import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { sampleStream } from '../../infra/sample-stream.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { noKafka } from '../infra/engines.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-cluster-keys-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const keysDir = join(dir, 'keys')
const headers = { authorization: 'Bearer an-admin-token-for-the-keys' }

describe('keys where doors and sequencers are processes of their own', { skip: noKafka }, () => {
  let kafka: RunningKafka
  const running: Serving[] = []
  let seeds = 0

  const start = async (name: string, roles: string, more: Record<string, string>): Promise<Serving> => {
    const serving = await serve(join(dir, name), {
      AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
      AEP_LEDGER_KAFKA_PARTITIONS: '2',
      AEP_LEDGER_ADMIN_TOKEN: 'an-admin-token-for-the-keys',
      AEP_LEDGER_SEARCH: 'off',
      AEP_LEDGER_LOG_LEVEL: 'warn',
      AEP_LEDGER_ROLES: roles,
      ...more,
    })
    running.push(serving)
    return serving
  }
  const post = (at: Serving, path: string, body: string, type = 'application/json'): Promise<Response> =>
    fetch(`${at.url}/v1/${path}`, { method: 'POST', headers: { ...headers, 'content-type': type }, body })
  const emit = async (at: Serving, ledger: string): Promise<void> => {
    const seed = ++seeds
    const events = sampleStream({ seed, events: 3, startMs: Date.now(), source: `urn:keys:${seed}` })
    const body = [...events].map(event => JSON.stringify(event)).join('\n')
    const answer = await post(at, `ledgers/${encodeURIComponent(ledger)}/events`, body, 'application/x-ndjson')
    assert.equal(answer.status, 201, await answer.text())
  }
  const keyFiles = (folder: string): string[] =>
    existsSync(folder) ? readdirSync(folder).filter(name => /^[0-9a-f]+\.json$/.test(name)) : []

  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    mkdirSync(keysDir)
    await start('seals', 'sequencer', { AEP_LEDGER_KEYS_DIR: keysDir })
  })
  after(async () => {
    for (const serving of running) await serving.kill()
    await kafka?.stop()
  })

  it('lets a door that has no signing key make ledgers, under the key that sequencers sign with', async () => {
    const door = await start('door', 'http', { AEP_LEDGER_INTAKE_KEY_FILE: join(keysDir, 'intake.key') })
    const made = await post(door, 'ledgers', '{"name":"acme/one"}')
    assert.equal(made.status, 201, await made.text())
    await emit(door, 'acme/one')

    const refused = await post(door, 'keys/rotate', '{}')
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /share with AEP_LEDGER_KEYS_DIR, and ask again/)
    assert.deepEqual(keyFiles(join(dir, 'door', 'keys')), [])
    await emit(door, 'default')
  })

  it('rotates by a door that shares their folder, and keeps what it replaced until the next time', async () => {
    const door = await start('sharing', 'http', { AEP_LEDGER_KEYS_DIR: keysDir })
    const [first] = keyFiles(keysDir)
    const seen = [first]
    for (let n = 0; n < 2; n++) {
      const rotated = await post(door, 'keys/rotate', '{}')
      assert.equal(rotated.status, 201, await rotated.clone().text())
      seen.push(`${((await rotated.json()) as { key_id: string }).key_id}.json`)
      for (const at of running.slice(1)) for (const ledger of ['default', 'acme/one']) await emit(at, ledger)
      assert.deepEqual(keyFiles(keysDir), seen.slice(-2).sort())
    }
    const made = await post(running[1] ?? door, 'ledgers', '{"name":"acme/two"}')
    assert.equal(made.status, 201, await made.text())
    await emit(door, 'acme/two')
  })
})
