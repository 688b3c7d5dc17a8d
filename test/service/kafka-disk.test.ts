import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startKafka } from '../../infra/kafka/start.ts'
import { sampleStream } from '../../infra/sample-stream.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { mountDisk, noMount, unmountDisk } from '../infra/disks.ts'
import { noKafka } from '../infra/engines.ts'

const linesOf = (seed: number, count: number): string =>
  [...sampleStream({ seed, events: count, startMs: Date.parse('2026-11-01T00:00:00Z'), source: `urn:disk:${seed}` })]
    .map(event => JSON.stringify(event))
    .join('\n')

interface Answer {
  readonly status: number
  readonly retryAfter: number
  readonly items: readonly { readonly status: string; readonly seq: number }[]
}

async function send({ url, token }: Serving, body: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  const answer = await fetch(`${url}/v1/ledgers/default/events`, { method: 'POST', headers, body })
  const { items = [] } = (await answer.json()) as { items?: Answer['items'] }
  return { status: answer.status, retryAfter: Number(answer.headers.get('retry-after')), items }
}

describe('a service whose broker’s disk is full', { skip: noKafka || noMount }, () => {
  it('answers 503 and never hangs, and goes on when there is room and the broker is back', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-kafka-disk-'))
    const disk = join(dir, 'broker')
    mkdirSync(disk)
    mountDisk(disk, 192 << 20)
    const kafka = await startKafka({ brokers: 1, dir: disk })
    const serving = await serve(join(dir, 'data'), {
      AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
      AEP_LEDGER_KAFKA_PARTITIONS: '2',
      AEP_LEDGER_SEQUENCE_PARTITIONS: 'all',
      AEP_LEDGER_SEARCH: 'off',
      AEP_LEDGER_LOG_LEVEL: 'error',
      AEP_LEDGER_INGEST_WAIT_MS: '3000',
    })
    try {
      const taken = new Map<number, readonly number[]>()
      const remember = (seed: number, { items }: Answer): void =>
        void taken.set(
          seed,
          items.map(({ seq }) => seq),
        )
      remember(1, await send(serving, linesOf(1, 100)))
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - (2 << 20))))
      let seed = 2
      for (; seed < 60; seed++) {
        const since = performance.now()
        const answer = await send(serving, linesOf(seed, 500))
        assert.ok(performance.now() - since < 20_000, 'it is answered in any case')
        if (answer.status === 201) remember(seed, answer)
        else {
          assert.equal(answer.status, 503)
          assert.ok(answer.retryAfter >= 1)
          break
        }
      }
      assert.ok(seed < 60, 'the disk was never full')

      rmSync(join(disk, 'ballast'))
      for (let tries = 0; kafka.pid(1) !== undefined && tries < 50; tries++) await sleep(100)
      if (kafka.pid(1) === undefined) await kafka.start(1)
      let answer = await send(serving, linesOf(seed, 500))
      for (let tries = 0; answer.status === 503 && tries < 20; tries++) answer = await send(serving, linesOf(seed, 500))
      assert.equal(answer.status, 201)
      for (const [seed, seqs] of taken) {
        const { items } = await send(serving, linesOf(seed, seqs.length))
        assert.deepEqual(
          items.map(({ status, seq }) => [status, seq]),
          seqs.map(seq => ['duplicate', seq]),
        )
      }
      assert.equal(await serving.stop(), 0)
    } finally {
      await serving.kill()
      await kafka.stop()
      unmountDisk(disk)
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
