import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { freePorts } from '../../infra/ports.ts'
import { sampleStream } from '../../infra/sample-stream.ts'
import { cliMain, type Serving, serve } from '../../infra/serve.ts'
import { openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { openKafkaLog } from '../../src/log/kafka/open.ts'
import { noKafka } from '../infra/engines.ts'
import { crashRounds } from './crash.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-kafka-'))
after(() => rmSync(dir, { recursive: true, force: true }))

describe('a service whose log is in Kafka', { skip: noKafka }, () => {
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
  })
  after(() => kafka.stop())

  const envOf = (prefix: string): Record<string, string> => ({
    AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
    AEP_LEDGER_KAFKA_PREFIX: prefix,
    AEP_LEDGER_KAFKA_PARTITIONS: '2',
    AEP_LEDGER_SEQUENCE_PARTITIONS: 'all',
    AEP_LEDGER_SEARCH: 'off',
    AEP_LEDGER_LOG_LEVEL: 'error',
  })

  it('loses no acknowledged event to kill -9 and doubles none, and Kafka holds the very chain', async () => {
    const folder = join(dir, 'crash')
    const env = envOf('crash')
    const report = await crashRounds(folder, { rounds: 5, seed: 7, search: false, aliveMsMax: 3_000, env })
    assert.deepEqual(report.faults, [])
    assert.ok(report.acknowledged > 5, `${report.acknowledged} events`)
    const elsewhere = await openKafkaLog({
      access: { brokers: kafka.bootstrap },
      prefix: 'crash',
      dir: join(dir, 'crash-elsewhere'),
    })
    const replica = await openEmbeddedReader(folder)
    try {
      assert.deepEqual(await elsewhere.head('default'), await replica.head('default'))
      const all = [0, report.entries + 10, Number.MAX_SAFE_INTEGER] as const
      assert.deepEqual(await elsewhere.read('default', ...all), await replica.read('default', ...all))
    } finally {
      await replica.close()
      await elsewhere.close()
    }
  })

  it('is verified from Kafka itself, and a record that somebody else put there is tampering', async () => {
    const keys = join(dir, 'crash', 'pinned-keys.json')
    const source = `kafka://${kafka.bootstrap.join()}/crash`
    assert.deepEqual(await verify([source, '--keys', keys, '--require-head']), { code: 12, bad: undefined })
    assert.deepEqual(await verify([source, '--keys', keys]), { code: 0, bad: undefined })
    const producer = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic: 'crash.ledger', messages: [{ key: 'default', value: '{}' }] })
    await producer.disconnect()
    const { code, bad } = await verify([source, '--keys', keys])
    assert.equal(code, 10)
    assert.ok(bad !== undefined && bad > 0)
    assert.deepEqual(await verify([`kafka://${kafka.bootstrap.join()}/nothing-here`, '--keys', keys]), {
      code: 75,
      bad: undefined,
    })
  })

  it('takes no folder of one kind for the other', async () => {
    const own = join(dir, 'own')
    await (await serve(own, { AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'error' })).stop()
    await assert.rejects(serve(own, envOf('own')), /own holds a log of its own, which is not in Kafka/)
    const replica = join(dir, 'crash')
    await assert.rejects(serve(replica, { AEP_LEDGER_SEARCH: 'off' }), /crash holds a replica of a log in Kafka/)
    await assert.rejects(
      serve(replica, envOf('another')),
      /holds a replica of crash\.ledger, .* not of another\.ledger/,
    )
  })

  it('waits at its start for a broker that is not there yet, and says so on its port', async () => {
    await kafka.kill(1)
    const [port = 0] = await freePorts(1)
    const env = { ...envOf('early'), AEP_LEDGER_LOG_LEVEL: 'warn', AEP_LEDGER_PORT: String(port) }
    let written = ''
    const starting = serve(join(dir, 'early'), env, log => {
      written = log
    })
    starting.catch(() => {})
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined)
    try {
      // The port is there at once, the first warning when the first attempt is over.
      for (
        const untilMs = performance.now() + 40_000;
        !written.includes('Kafka is not to be had yet');
        await sleep(50)
      ) {
        assert.ok(performance.now() < untilMs, written)
      }
      assert.equal((await ask('/livez'))?.status, 200)
      for (const path of ['/readyz', '/v1/ledgers']) {
        const answer = await ask(path)
        assert.equal(answer?.status, 503)
        assert.ok(Number(answer.headers.get('retry-after')) >= 1)
        assert.match(await answer.text(), /Waits for Kafka at 127\.0\.0\.1/)
      }
    } finally {
      await kafka.start(1)
    }
    const serving = await starting
    try {
      assert.equal((await send(serving, linesOf(1, 3))).status, 201)
    } finally {
      assert.equal(await serving.stop(), 0)
    }
  })

  it('answers 503 while the broker is gone, and places every event once when it is back', async () => {
    const serving = await serve(join(dir, 'weather'), envOf('weather'))
    try {
      const [first, second] = [linesOf(1, 20), linesOf(2, 20)]
      assert.equal((await send(serving, first)).status, 201)
      await kafka.kill(1)
      const refused = await send(serving, second)
      assert.equal(refused.status, 503)
      assert.ok(Number(refused.headers.get('retry-after')) >= 1)
      assert.equal((await fetch(`${serving.url}/readyz`)).status, 503)
      assert.equal(await isComplete(serving), false)
      await kafka.start(1)
      let answer = await send(serving, second)
      for (let tries = 0; answer.status === 503 && tries < 20; tries++) answer = await send(serving, second)
      assert.equal(answer.status, 201)
      const again = (await (await send(serving, second)).json()) as { items: { status: string; seq: number }[] }
      assert.deepEqual(
        again.items.map(({ status, seq }) => [status, seq]),
        Array.from({ length: 20 }, (_, n) => ['duplicate', 21 + n]),
      )
      for (let tries = 0; !(await isComplete(serving)); tries++) {
        assert.ok(tries < 100, 'it goes on saying that it is cut off')
        await sleep(100)
      }
    } finally {
      assert.equal(await serving.stop(), 0)
    }
  })
})

async function verify(args: readonly string[]): Promise<{ code: number; bad: number | undefined }> {
  const child = spawnSync(process.execPath, [cliMain, 'verify', ...args, '-o', 'json'], { encoding: 'utf8' })
  const bad = /"first_bad_seq": ?(\d+)/.exec(child.stdout)?.[1]
  return { code: child.status ?? -1, bad: bad === undefined ? undefined : Number(bad) }
}

const isComplete = async ({ url, token }: Serving): Promise<boolean> => {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${url}/v1/ledgers/default/leases?limit=1`, { headers })
  return ((await answer.json()) as { complete: boolean }).complete
}

const linesOf = (seed: number, count: number): string =>
  [...sampleStream({ seed, events: count, startMs: Date.parse('2026-11-01T00:00:00Z'), source: `urn:kafka:${seed}` })]
    .map(event => JSON.stringify(event))
    .join('\n')

const send = ({ url, token }: Serving, body: string): Promise<Response> =>
  fetch(`${url}/v1/ledgers/default/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body,
  })
