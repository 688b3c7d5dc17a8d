import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import kafkajs from 'kafkajs'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { startRoute } from '../../infra/proxy/route.ts'
import { noKafka } from './engines.ts'
import { Client } from './kafka-client.ts'

describe('a Kafka of three brokers', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-'))
  let kafka: RunningKafka
  let client: Client
  before(async () => {
    kafka = await startKafka({ brokers: 3, dir, routes: 2 })
    client = new Client(kafka.bootstrap)
  })
  after(async () => {
    await kafka.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  it('keeps what nobody said more about three times, two of them in time', async () => {
    await client.create('things')
    await client.asAdmin(async admin => {
      const [topic] = (await admin.fetchTopicMetadata({ topics: ['things'] })).topics
      assert.equal(topic?.partitions[0]?.replicas.length, 3)
      const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'things' }]
      const { configEntries } = (await admin.describeConfigs({ resources, includeSynonyms: false })).resources[0] ?? {}
      const setTo = (name: string) => configEntries?.find(({ configName }) => configName === name)?.configValue
      assert.equal(setTo('min.insync.replicas'), '2')
      assert.equal(setTo('unclean.leader.election.enable'), 'false')
    })
  })

  it('lets one client lose all brokers, and another that came by another route lose none', async () => {
    const [near = [], far = []] = await Promise.all(kafka.routes.map(startRoute))
    const [one, two] = [near, far].map(
      proxies =>
        new Client(
          proxies.map(({ address }) => address),
          0,
        ),
    )
    const brokers = (client = two): Promise<number> | undefined =>
      client?.asAdmin(async admin => (await admin.describeCluster()).brokers.length)
    assert.equal(await brokers(one), 3)
    for (const proxy of near) proxy.weather({ refuse: true })
    await assert.rejects(async () => brokers(one))
    assert.equal(await brokers(two), 3)
    for (const proxy of near) proxy.weather({})
    assert.equal(await brokers(one), 3)
    await Promise.all([...near, ...far].map(proxy => proxy.close()))
  })

  it('takes records and gives them back while one broker is dead, and takes it in again', async () => {
    await client.send('things', 'one')
    const leader = await client.asAdmin(
      async admin => (await admin.fetchTopicMetadata({ topics: ['things'] })).topics[0]?.partitions[0]?.leader ?? 0,
    )
    await kafka.kill(leader)
    const others = new Client(kafka.bootstrap.filter((_, n) => n !== leader - 1))
    await others.send('things', 'two')
    assert.deepEqual(await others.read('things', 2), ['one', 'two'])
    await kafka.start(leader)
    const { brokers } = await client.asAdmin(admin => admin.describeCluster())
    assert.equal(brokers.length, 3)
  })
})
