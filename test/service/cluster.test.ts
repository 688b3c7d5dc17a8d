import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { sampleStream } from '../../infra/sample-stream.ts'
import { cliMain, type Serving, serve } from '../../infra/serve.ts'
import { noKafka } from '../infra/engines.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-cluster-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const token = 'an-admin-token-for-all-of-them'
const ledgers = ['default', 'acme/one', 'acme/two', 'acme/three', 'acme/four']

interface Item {
  readonly id: string
  readonly status: string
  readonly seq: number
  readonly leaf_hash: string
}

describe('processes that share a cluster', { skip: noKafka }, () => {
  let kafka: RunningKafka
  let door: Serving
  const running = new Map<string, Serving>()
  /** What was answered 201, by ledger and id. */
  const answered = new Map<string, Item>()
  let sent = 0

  const start = async (name: string, roles: string, more: Record<string, string> = {}): Promise<Serving> => {
    const serving = await serve(join(dir, name), {
      AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
      AEP_LEDGER_KAFKA_PARTITIONS: '4',
      AEP_LEDGER_KEYS_DIR: join(dir, 'keys'),
      AEP_LEDGER_ADMIN_TOKEN: token,
      AEP_LEDGER_ORIGIN: 'cluster.example',
      AEP_LEDGER_SEARCH: 'off',
      AEP_LEDGER_ROLES: roles,
      ...more,
    })
    running.set(name, serving)
    return serving
  }
  const ask = (path: string, init: RequestInit = {}, at = door): Promise<Response> =>
    fetch(`${at.url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
  const post = (ledger: string, body: string, at = door): Promise<Response> =>
    ask(
      `/v1/ledgers/${encodeURIComponent(ledger)}/events`,
      { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body },
      at,
    )

  /** Sends new events to a ledger until they are answered; how long that took. */
  async function emit(ledger: string, count = 5): Promise<number> {
    sent += 1
    const events = sampleStream({ seed: sent, events: count, startMs: Date.now(), source: `urn:cluster:${sent}` })
    const body = [...events].map(event => JSON.stringify(event)).join('\n')
    const since = performance.now()
    for (;;) {
      const answer = await post(ledger, body).catch(() => undefined)
      if (answer?.status === 201) {
        const { items } = (await answer.json()) as { items: Item[] }
        for (const item of items) answered.set(`${ledger} ${sent} ${item.id}`, item)
        return performance.now() - since
      }
      assert.ok(answer === undefined || answer.status === 503, `${answer?.status}: ${await answer?.text()}`)
      assert.ok(performance.now() - since < 60_000, 'nobody places events any more')
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  const emitAll = (): Promise<number[]> => Promise.all(ledgers.map(ledger => emit(ledger)))

  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    mkdirSync(join(dir, 'keys'))
    await start('seals-1', 'sequencer')
    door = await start('door', 'http')
    await start('seals-2', 'sequencer')
    for (const name of ledgers.slice(1)) {
      const made = await ask('/v1/ledgers', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      assert.equal(made.status, 201, await made.text())
    }
  })
  after(async () => {
    for (const serving of running.values()) await serving.kill()
    await kafka?.stop()
  })

  it('share the partitions out, and say in /readyz which are whose', async () => {
    await emitAll()
    const seals = await Promise.all(
      ['seals-1', 'seals-2'].map(async name => {
        const { parts } = (await (await fetch(`${running.get(name)?.url}/readyz`)).json()) as {
          parts: { name: string; detail: string }[]
        }
        return /partitions? ([\d, ]+)/
          .exec(parts.find(part => part.name === 'sequencer')?.detail ?? '')?.[1]
          ?.split(', ')
      }),
    )
    assert.deepEqual(seals.flat().map(Number).sort(), [0, 1, 2, 3])
    assert.deepEqual(
      seals.map(numbers => numbers?.length),
      [2, 2],
    )
  })

  it('start under the name that the first of them gave the installation, or not at all', async () => {
    const other = start('other', 'http', { AEP_LEDGER_ORIGIN: 'other.example' })
    await assert.rejects(
      other,
      /ended with 2: .*AEP_LEDGER_ORIGIN is other\.example, .* was made as cluster\.example, /s,
    )
  })

  it('take events in only where that is their role', async () => {
    const sealer = running.get('seals-1')
    assert.ok(sealer)
    assert.ok([404, 405].includes((await post('default', '{}', sealer)).status))
    assert.equal((await fetch(`${sealer.url}/livez`)).status, 200)
    assert.match(await (await fetch(`${sealer.url}/metrics`)).text(), /aep_ledger_partition_owned\{partition="\d"\} 1/)
  })

  it('answer an event that came before with its first receipt, at another door, too', async () => {
    const other = await start('door-2', 'http')
    const [event] = sampleStream({ seed: 4_711, events: 1, startMs: Date.now(), source: 'urn:twice' })
    const both = await Promise.all(
      [door, other].map(
        async at => (await (await post('default', JSON.stringify(event), at)).json()) as { items: Item[] },
      ),
    )
    const items = both.flatMap(({ items }) => items)
    assert.deepEqual(items.map(({ status }) => status).sort(), ['created', 'duplicate'])
    assert.equal(new Set(items.map(({ seq, leaf_hash }) => `${seq} ${leaf_hash}`)).size, 1)
    await other.stop()
    running.delete('door-2')
  })

  it('go on when one is killed, when one ends in order, and when one comes', async () => {
    await running.get('seals-1')?.kill()
    await emitAll()
    await start('seals-3', 'sequencer')
    await emitAll()
    assert.equal(await running.get('seals-2')?.stop(), 0)
    running.delete('seals-2')
    await emitAll()
  })

  it('stay one history when one is held longer than its session, and wakes up', async () => {
    const held = running.get('seals-3')
    await start('seals-4', 'sequencer')
    await emitAll()
    held?.child.kill('SIGSTOP')
    await emitAll()
    held?.child.kill('SIGCONT')
    for (let n = 0; n < 5; n++) await emitAll()
  })

  it('leave what somebody else puts into intake where it can be looked at, and go on', async () => {
    const client = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING })
    const producer = client.producer()
    await producer.connect()
    const poison = [
      { key: 'default', value: 'poison' },
      { key: null, value: null },
      // As large as the topic takes, and larger than it takes, but for being compressed.
      { key: 'default', value: 'p'.repeat(1_048_450) },
      { key: 'default', value: 'b'.repeat(8 << 20) },
    ]
    for (const partition of [0, 1, 2, 3]) {
      for (const [n, message] of poison.entries()) {
        const compression = n === 3 ? CompressionTypes.GZIP : CompressionTypes.None
        await producer.send({ topic: 'aep.intake', compression, messages: [{ ...message, partition }] })
      }
    }
    await producer.disconnect()
    await emitAll()
    const admin = client.admin()
    await admin.connect()
    const untilMs = performance.now() + 20_000
    const buried = async () => Number((await admin.fetchTopicOffsets('aep.dead'))[0]?.high)
    while ((await buried()) < 16 && performance.now() < untilMs) await new Promise(resolve => setTimeout(resolve, 100))
    assert.equal(await buried(), 16)
    await admin.disconnect()
  })

  it('refuse to seal without the key of the ledgers', async () => {
    await assert.rejects(
      start('keyless', 'sequencer', { AEP_LEDGER_KEYS_DIR: join(dir, 'no-keys') }),
      /There is no signing key here/,
    )
  })

  it('leave one chain in each ledger that holds every answer, as the verifier reads it from Kafka', async () => {
    for (const ledger of ledgers) {
      const text = await (await ask(`/v1/ledgers/${encodeURIComponent(ledger)}/entries?limit=1000`)).text()
      const { items } = JSON.parse(text) as { items: { seq: number; leaf_hash: string }[] }
      const leaves = new Map(items.map(({ seq, leaf_hash }) => [seq, leaf_hash]))
      for (const [name, item] of answered) {
        if (name.startsWith(`${ledger} `)) assert.equal(leaves.get(item.seq), item.leaf_hash, name)
      }
    }
    const keys = join(dir, 'pinned.json')
    const cli = (...args: string[]) =>
      spawnSync(process.execPath, [cliMain, ...args], {
        encoding: 'utf8',
        env: { ...process.env, AEP_LEDGER_URL: door.url, AEP_LEDGER_TOKEN: token },
      })
    const pinned = cli('keys', 'list', '-o', 'json')
    assert.equal(pinned.status, 0, pinned.stderr)
    const { code, out } = verify(keys, pinned.stdout)
    assert.equal(code, 0, out)
  })

  function verify(keys: string, pinned: string): { code: number | null; out: string } {
    spawnSync('sh', ['-c', `cat > ${keys}`], { input: pinned })
    const child = spawnSync(
      process.execPath,
      [cliMain, 'verify', `kafka://${kafka.bootstrap.join()}`, '--keys', keys],
      {
        encoding: 'utf8',
      },
    )
    return { code: child.status, out: child.stdout + child.stderr }
  }
})
