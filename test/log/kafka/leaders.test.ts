import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { api } from '../../../infra/proxy/plan.ts'
import type { FaultProxy } from '../../../infra/proxy/proxy.ts'
import { startRoute } from '../../../infra/proxy/route.ts'
import { NotCommitted } from '../../../src/log/kafka/client.ts'
import { noKafka } from '../../infra/engines.ts'
import { Client } from '../../infra/kafka-client.ts'
import { Adapter, records } from './rules/adapter.ts'
import { Plain } from './rules/plain.ts'

/** A call of kafkajs that goes to several leaders, one of which loses its connection while another is slow to answer. */
describe('one place a call', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-leaders-'))
  let kafka: RunningKafka
  let slow: FaultProxy
  let broken: FaultProxy
  let bootstrap: string[]
  let proxies: FaultProxy[]
  before(async () => {
    kafka = await startKafka({ brokers: 3, dir, routes: 1 })
    proxies = await startRoute(kafka.routes[0] ?? [])
    const [first, second] = proxies
    if (first === undefined || second === undefined) throw new RangeError('each broker has a proxy')
    slow = first
    broken = second
    bootstrap = proxies.map(({ address }) => address)
  })
  after(async () => {
    await Promise.all(proxies.map(proxy => proxy.close()))
    await kafka.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** One topic that the slow broker leads, and one that the broken one leads. */
  const topicsOf = async (name: string): Promise<[string, string]> => {
    const topics: [string, string] = [`${name}-slow`, `${name}-broken`]
    const led = topics.map((topic, n) => ({
      topic,
      replicaAssignment: [{ partition: 0, replicas: [n + 1, 2 - n, 3] }],
    }))
    await new Client(kafka.bootstrap).asAdmin(admin => admin.createTopics({ waitForLeaders: true, topics: led }))
    return topics
  }

  /**
   * Holds what the slow broker answers until the broken one, whose connection is lost, is sent the same again; or for a while,
   * where the client asks the slow one for the leaders first.
   */
  const trouble = async (): Promise<void> => {
    const held = slow.plan({ api: api.produce, what: 'answer', how: 'hold' })
    broken.plan({ api: api.produce, what: 'answer', how: 'close' })
    const seen = broken.seen(api.produce)
    const untilMs = performance.now() + 3_000
    while (broken.seen(api.produce) < seen + 2 && performance.now() < untilMs)
      await new Promise(resolve => setTimeout(resolve, 5))
    held.release()
  }

  it('is needed: what was on its way to the slow one stands there twice, and is committed', async () => {
    const topics = await topicsOf('plain')
    const plain = new Plain(bootstrap)
    const producer = await plain.transactional('plain')
    let end = 0
    let found: string[] = []
    // Which broker is asked for the leaders is chance.
    for (let n = 0; n < 10 && new Set(found).size === found.length; n++) {
      const transaction = await producer.transaction()
      const topicMessages = topics.map(topic => ({ topic, messages: [{ partition: 0, value: String(n) }] }))
      await Promise.all([transaction.sendBatch({ acks: -1, topicMessages }), trouble()])
      await transaction.commit()
      end += 2
      found = await plain.committed(topics[0], end)
    }
    assert.ok(new Set(found).size < found.length, found.join())
    await plain.close()
  })

  it('is kept: a commit to both that met trouble is none, and each record of the next one is there once', async () => {
    const topics = await topicsOf('ours')
    const client = await Adapter.open(bootstrap)
    for (let n = 0; n < 3; n++) {
      const both = topics.flatMap(topic => records(topic, [String(n)]))
      const met = await client.writer('ours')
      await Promise.all([assert.rejects(met.commit(both), NotCommitted), trouble()])
      await met.close()
      const writer = await client.writer('ours')
      await writer.commit(both)
      await writer.close()
    }
    // Taking over waits until the last commit is shown.
    await (await client.writer('ours')).close()
    for (const topic of topics) assert.deepEqual(await client.values(topic), ['0', '1', '2'])
    await client.close()
  })
})
