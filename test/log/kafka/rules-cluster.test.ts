import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { api } from '../../../infra/proxy/plan.ts'
import type { FaultProxy } from '../../../infra/proxy/proxy.ts'
import { startRoute } from '../../../infra/proxy/route.ts'
import { NotCommitted } from '../../../src/log/kafka/client.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { noKafka } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'
import { Adapter, records } from './rules/adapter.ts'
import { Plain } from './rules/plain.ts'

describe('the rules for kafkajs, with three brokers', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-rules-'))
  let kafka: RunningKafka
  let proxies: FaultProxy[] = []
  const open: { close(): Promise<void> }[] = []
  before(async () => {
    kafka = await startKafka({ brokers: 3, dir, routes: 1 })
    proxies = await startRoute(kafka.routes[0] ?? [])
  })
  afterEach(() => Promise.all(open.splice(0).map(one => one.close())))
  after(async () => {
    await Promise.all(proxies.map(proxy => proxy.close()))
    await kafka.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const through = () => proxies.map(({ address }) => address)
  const kept = <T extends { close(): Promise<void> }>(one: T): T => {
    open.push(one)
    return one
  }
  /** Past the proxies, for what a test arranges and looks at. */
  const past = (): Plain => kept(new Plain(kafka.bootstrap))

  let names = 0
  /** Two topics of one copy each, the first on broker 1, the second on broker 2. */
  const twoTopics = async (): Promise<readonly [string, string]> => {
    const pair = [`entries-${++names}`, `heads-${names}`] as const
    await Promise.all([past().create(pair[0], [1]), past().create(pair[1], [2])])
    return pair
  }

  /** Lets `send` send to both topics, and moves them to other brokers when only broker 1 has answered. */
  async function whileMoving(send: () => Promise<unknown>, moves: Readonly<Record<string, number>>): Promise<unknown> {
    const held = proxies[1]?.plan({ api: api.produce, what: 'request', how: 'hold' })
    const sent = send()
    // Whoever it is for hears of a rejection below.
    sent.catch(() => {})
    await held?.met
    const mover = past()
    for (const [topic, broker] of Object.entries(moves)) await mover.move(topic, broker)
    held?.release()
    return sent
  }

  describe('one answer for each place that was sent to', () => {
    const sendPlainly = async (topics: readonly string[]) => {
      const producer = await kept(new Plain(through())).producer({ idempotent: true, maxInFlightRequests: 1 })
      const topicMessages = topics.map(topic => ({ topic, messages: [{ partition: 0, key: 'key', value: 'one' }] }))
      return () => producer.sendBatch({ acks: -1, topicMessages })
    }

    it('is needed: a place whose leader moves to one that has answered is left out, and the send succeeds', async () => {
      const [entries, heads] = await twoTopics()
      await whileMoving(await sendPlainly([entries, heads]), { [heads]: 1 })
      assert.deepEqual(await past().ends([entries, heads]), [1, 0])
    })

    it('is needed: a place whose leader moves after it has answered is sent to twice, and the send succeeds', async () => {
      const [entries, heads] = await twoTopics()
      await whileMoving(await sendPlainly([entries, heads]), { [entries]: 2, [heads]: 3 })
      assert.deepEqual(await past().ends([entries, heads]), [2, 1])
    })

    for (const [what, movesOf] of [
      ['left out', (_: string, heads: string) => ({ [heads]: 1 })],
      ['sent to twice', (entries: string, heads: string) => ({ [entries]: 2, [heads]: 3 })],
    ] as const)
      it(`is kept: where a place would be ${what}, each has what was sent to it once`, async () => {
        const [entries, heads] = await twoTopics()
        const client = kept(await Adapter.open(through()))
        const id = `id-${names}`
        const writer = await client.writer(id)
        const both = [...records(entries, ['one']), ...records(heads, ['one'])]
        const isThere = await whileMoving(() => writer.commit(both), movesOf(entries, heads)).then(
          () => true,
          (error: unknown) => {
            assert.ok(error instanceof NotCommitted, String(error))
            return false
          },
        )
        await writer.close()
        if (!isThere) {
          const next = await client.writer(id)
          await next.commit(both)
          await next.close()
        }
        for (const topic of [entries, heads]) {
          const untilMs = performance.now() + 10_000
          while ((await client.values(topic)).length === 0 && performance.now() < untilMs) await sleep(50)
          assert.deepEqual(await client.values(topic), ['one'])
        }
      })
  })

  describe('what an admin is asked', () => {
    it('fails in kafkajs with the connection to one of all leaders of the topic, and is asked again by ours', async () => {
      const [topic] = await twoTopics()
      const admin = await kept(new Plain(through())).admin()
      const { client } = kept(await Adapter.open(through()))
      const lost = () => proxies[0]?.plan({ api: api.listOffsets, what: 'request', how: 'close' })
      const first = lost()
      await assert.rejects(admin.fetchTopicOffsets(topic), /ECONNRESET|Closed connection/)
      await first?.met
      const second = lost()
      assert.deepEqual(await client.bounds({ topic, partition: 0 }), { low: 0, end: 0 })
      await second?.met
    })

    it('is asked of the leader as of now: when it has moved, an old client takes over', async () => {
      const prefix = `moved-${++names}`
      const open = async (folder: string) =>
        kept(
          await openKafkaLog({
            ...{ access: { brokers: through() }, prefix, dir: join(dir, prefix, folder) },
            ...{ partitions: 1, replication: 1 },
          }),
        )
      const [owner, standby] = [await open('owner'), await open('standby')]
      const one = batchAfter(undefined)
      await owner.append(one)
      await standby.current()
      const { ledger, heads } = owner.topics
      const places = [ledger, heads].map(topic => ({ topic, partition: 0 }))
      for (const place of places) await standby.client.bounds(place)
      const mover = past()
      for (const { topic } of places) {
        const admin = await mover.admin()
        const [partition] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions ?? []
        await mover.move(topic, partition?.leader === 1 ? 2 : 1, [partition?.leader ?? 0])
      }
      await owner.close()
      const two = batchAfter(one.head)
      await standby.append(two)
      assert.deepEqual(await standby.head('default'), two.head)
    })

    it('goes, for the offsets of one partition, to its leader alone: that of another need not answer', async () => {
      const topic = `apart-${++names}`
      const assigned = [1, 2].map((broker, partition) => ({ partition, replicas: [broker] }))
      await (await past().admin()).createTopics({
        topics: [{ topic, replicaAssignment: assigned, configEntries: [{ name: 'min.insync.replicas', value: '1' }] }],
      })
      const { client } = kept(await Adapter.open(through()))
      const held = proxies[1]?.plan({ api: api.listOffsets, what: 'request', how: 'hold' })
      assert.deepEqual(await client.bounds({ topic, partition: 0 }), { low: 0, end: 0 })
      const other = client.bounds({ topic, partition: 1 })
      await held?.met
      held?.release()
      assert.deepEqual(await other, { low: 0, end: 0 })
    })
  })

  it('a take-over that failed leaves no connection behind', async () => {
    for (const address of through()) {
      const client = kept(await Adapter.open([address]))
      await client.brokers()
      const connections = () => proxies.reduce((sum, proxy) => sum + proxy.connections, 0)
      const before = connections()
      const planned = proxies.flatMap(proxy =>
        [1, 2].map(nth => proxy.plan({ api: api.initProducerId, what: 'answer', how: 'close', nth })),
      )
      await assert.rejects(client.writer('taken-over'))
      for (const one of planned) one.release()
      while (connections() > before) await new Promise(resolve => setTimeout(resolve, 20))
    }
  })
})
