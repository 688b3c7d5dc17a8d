import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createClient } from '@clickhouse/client'
import { Kafka, logLevel } from 'kafkajs'
import { type RunningKafka, startKafka } from '../infra/kafka/start.ts'
import { sampleStream } from '../infra/sample-stream.ts'
import { cliMain, type Serving, serve } from '../infra/serve.ts'
import { type Engine, startEngine } from '../src/query/engine.ts'
import { noKafka } from './infra/engines.ts'

/**
 * The whole way of an event, on real engines: gateway, Kafka, projection, ClickHouse, verifier. A door, a sequencer and a
 * follower are processes of their own, and what each of them claims is held against what the next one has.
 */

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-whole-way-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const token = 'an-admin-token-for-the-whole-way'
const source = 'urn:gateway:whole-way'
const day = [...sampleStream({ seed: 20_261_123, events: 600, startMs: Date.parse('2026-11-01T08:00:00Z'), source })]

interface Receipt {
  readonly id: string
  readonly status: string
  readonly seq: number
  readonly leaf_hash: string
  readonly signature: string
}

describe('from a gateway to the verifier', { skip: noKafka }, () => {
  let kafka: RunningKafka
  let clickhouse: Engine
  let processes: Serving[] = []
  let receipts: readonly Receipt[] = []

  const start = (name: string, roles: string): Promise<Serving> =>
    serve(join(dir, name), {
      AEP_LEDGER_ROLES: roles,
      AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
      AEP_LEDGER_KAFKA_PARTITIONS: '2',
      AEP_LEDGER_KEYS_DIR: join(dir, 'keys'),
      AEP_LEDGER_ADMIN_TOKEN: token,
      AEP_LEDGER_ORIGIN: 'ledger.example',
      AEP_LEDGER_CLICKHOUSE_URL: clickhouse.url,
      AEP_LEDGER_CLICKHOUSE_USER: clickhouse.writer.username,
      AEP_LEDGER_CLICKHOUSE_PASSWORD: clickhouse.writer.password,
      AEP_LEDGER_READ_WAIT_MS: '30000',
    })
  const door = (): Serving => processes[2] ?? assert.fail('there is no door')
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`${door().url}/v1/ledgers/default/${path}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    assert.equal(answer.status, 200, path)
    return (await answer.json()) as T
  }

  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    clickhouse = await startEngine({ dir: join(dir, 'clickhouse') })
    await clickhouse.ready
    // The sequencer first: it makes the installation, and the keys that the others share.
    const sequencer = await start('sequencer', 'sequencer')
    processes = [sequencer, ...(await Promise.all([start('follower', 'follower'), start('door', 'http')]))]
  })
  after(async () => {
    for (const serving of processes) assert.equal(await serving.stop(), 0)
    await clickhouse?.close()
    await kafka?.stop()
  })

  it('a day of a gateway is taken in, and taken for the same when the CLI sends it again', async () => {
    const lines = day.map(event => JSON.stringify(event))
    const items: Receipt[] = []
    for (let from = 0; from < lines.length; from += 100) {
      const answer = await fetch(`${door().url}/v1/ledgers/default/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
        body: lines.slice(from, from + 100).join('\n'),
      })
      assert.equal(answer.status, 201)
      items.push(...((await answer.json()) as { items: Receipt[] }).items)
    }
    assert.deepEqual(
      items.map(({ id, status }) => [id, status]),
      day.map(({ id }) => [id, 'created']),
    )
    receipts = items
    const file = join(dir, 'day.ndjson')
    writeFileSync(file, lines.join('\n'))
    const { code, out } = await cli('emit', file, '-o', 'json')
    assert.equal(code, 0)
    const { created, duplicate } = JSON.parse(out) as { created: number; duplicate: number }
    assert.deepEqual([created, duplicate], [0, day.length])
  })

  it('Kafka holds each of them once, where its receipt says, with the signature of the receipt', async () => {
    const found = new Map<number, { event: { id: string }; signature: string }[]>()
    for (const { value, headers } of await committed()) {
      const { seq, event } = JSON.parse(value) as { seq: number; event: { id: string } }
      found.set(seq, [...(found.get(seq) ?? []), { event, signature: headers.toString('base64') }])
    }
    assert.equal(found.size, day.length + 1, 'the genesis, and each event once')
    for (const { id, seq, signature } of receipts) {
      assert.deepEqual(
        found.get(seq)?.map(one => [one.event.id, one.signature]),
        [[id, signature]],
      )
    }
  })

  it('the projection says of every lease what the events add up to', async () => {
    const granted = new Map<string, number>()
    const used = new Map<string, number>()
    for (const { type, data } of day) {
      const id = String(data['lease_id'])
      if (type === 'aep.lease.granted') granted.set(id, Number(data['max_invocations']))
      if (type === 'aep.lease.used') used.set(id, (used.get(id) ?? 0) + 1)
    }
    assert.ok(granted.size > 10)
    const { items, complete } = await ask<{
      items: { lease_id: string; invocation_count: number; max_invocations: number }[]
      complete: boolean
    }>('leases?limit=1000')
    assert.equal(complete, true)
    assert.deepEqual(
      new Map(items.map(lease => [lease.lease_id, [lease.max_invocations, lease.invocation_count]])),
      new Map([...granted].map(([id, most]) => [id, [most, used.get(id) ?? 0]])),
    )
  })

  it('ClickHouse holds a row an entry, with the entry in it, and finds what was denied', async () => {
    const { complete, items } = await ask<{ complete: boolean; items: { entry: { event: { id: string } } }[] }>(
      'events?decision=deny&limit=1000',
    )
    assert.equal(complete, true)
    const denied = day.filter(({ data }) => data['decision'] === 'deny')
    assert.deepEqual(items.map(({ entry }) => entry.event.id).sort(), denied.map(({ id }) => id).sort())
    const { url, writer } = clickhouse
    const { origin, pathname } = new URL(url)
    const client = createClient({ url: origin, pathname, username: writer.username, password: writer.password })
    const rows = await client.query({
      query:
        "SELECT seq, lower(hex(SHA256(concat('\\0', entry)))) AS leaf FROM aep_ledger.entry_rows WHERE ledger = 'default'",
      format: 'JSONEachRow',
    })
    const leaves = (await rows.json<{ seq: string | number; leaf: string }>()).map(({ seq, leaf }) => [
      Number(seq),
      leaf,
    ])
    assert.equal(leaves.length, day.length + 1)
    const leafAt = new Map(leaves as [number, string][])
    for (const { seq, leaf_hash } of receipts) assert.equal(leafAt.get(seq), leaf_hash)
    await client.close()
  })

  it('the verifier finds nothing wrong in Kafka, with keys pinned beforehand, and tells a door that lies', async () => {
    const keys = join(dir, 'pinned.json')
    writeFileSync(keys, JSON.stringify(await ask('keys')))
    const { seq, leaf_hash } = receipts.at(-1) ?? assert.fail('there is no receipt')
    const place = `kafka://${kafka.bootstrap.join()}`
    const sound = await cli('verify', place, '--keys', keys, '--head', `default@${seq}:${leaf_hash}`)
    assert.equal(sound.code, 0, sound.out)
    const lie = await cli('verify', place, '--keys', keys, '--head', `default@${seq}:${'0'.repeat(64)}`)
    assert.equal(lie.code, 10, lie.out)
    assert.equal((await cli('verify', door().url, '--keys', keys)).code, 0)
  })

  /** The ledger topic as any consumer of committed records reads it. */
  async function committed(): Promise<{ value: string; headers: Buffer }[]> {
    const client = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    const ends = new Map(
      (await admin.fetchTopicOffsets('aep.ledger')).map(({ partition, high }) => [partition, Number(high)]),
    )
    await admin.disconnect()
    const consumer = client.consumer({ groupId: 'auditor', maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topic: 'aep.ledger', fromBeginning: true })
    const records: { value: string; headers: Buffer }[] = []
    await new Promise<void>(resolve => {
      const left = new Map([...ends].filter(([, end]) => end > 0))
      consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
        if (Number(payload.lastOffset) >= (left.get(payload.partition) ?? 0) - 1) left.delete(payload.partition)
        if (left.size === 0) resolve()
      })
      void consumer.run({
        eachMessage: async ({ message }) => {
          // What is no entry says only how far intake is placed.
          if (message.value?.length)
            records.push({ value: String(message.value), headers: message.headers?.['sig'] as Buffer })
        },
      })
    })
    await consumer.disconnect()
    return records
  }

  async function cli(...args: string[]): Promise<{ code: number | null; out: string }> {
    const env = { ...process.env, AEP_LEDGER_URL: door().url, AEP_LEDGER_TOKEN: token }
    const child = spawn(process.execPath, [cliMain, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    return { code: await new Promise(resolve => child.on('close', resolve)), out }
  }
})
