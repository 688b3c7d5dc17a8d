import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openFolder } from '../../infra/kafka/folder.ts'
import { lock } from '../../infra/kafka/lock.ts'
import { serverProperties } from '../../infra/kafka/properties.ts'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { api } from '../../infra/proxy/plan.ts'
import { startRoute } from '../../infra/proxy/route.ts'
import { noKafka } from './engines.ts'
import { Client } from './kafka-client.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-'))
after(() => rmSync(dir, { recursive: true, force: true }))

describe('a Kafka of one broker', { skip: noKafka }, () => {
  // A folder whose name a properties file has to escape.
  const folder = join(dir, 'für uns')
  const deaths: number[] = []
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: folder, routes: 1, onDeath: broker => deaths.push(broker) })
  })
  after(() => kafka.stop())

  const client = (): Client => new Client(kafka.bootstrap)

  it('takes a record and gives it back', async () => {
    await client().create('things')
    await client().send('things', 'one')
    assert.deepEqual(await client().read('things', 1), ['one'])
  })

  it('listens on loopback alone, and makes no topic that nobody asked for', async () => {
    assert.match(kafka.bootstrap.join(), /^127\.0\.0\.1:\d+$/)
    await assert.rejects(
      client().asAdmin(admin => admin.fetchTopicMetadata({ topics: ['unheard-of'] })),
      /does not host this topic/,
    )
  })

  it('sends whoever comes through a proxy back to the proxy, and says nothing of it to others', async () => {
    const proxies = await startRoute(kafka.routes[0] ?? [])
    const addresses = proxies.map(({ address }) => address)
    const seen = (): number => proxies[0]?.seen(api.fetch) ?? 0
    const told = (bootstrap: readonly string[]): Promise<string[]> =>
      new Client(bootstrap).asAdmin(async admin =>
        (await admin.describeCluster()).brokers.map(({ host, port }) => `${host}:${port}`),
      )
    assert.deepEqual(await told(addresses), addresses)
    assert.deepEqual(await told(kafka.bootstrap), kafka.bootstrap)
    assert.equal(seen(), 0)
    assert.deepEqual(await new Client(addresses).read('things', 1), ['one'])
    assert.ok(seen() > 0)
    await Promise.all(proxies.map(proxy => proxy.close()))
  })

  it('has its records still after kill -9 and a new start', async () => {
    const pid = kafka.pid(1)
    await kafka.kill(1)
    assert.equal(kafka.pid(1), undefined)
    await kafka.start(1)
    assert.notEqual(kafka.pid(1), pid)
    await client().send('things', 'two')
    assert.deepEqual(await client().read('things', 2), ['one', 'two'])
    assert.deepEqual(deaths, [], 'who is killed on purpose is not reported')
  })

  it('refuses a second cluster on its folder, and on its port, and goes on', async () => {
    await assert.rejects(startKafka({ brokers: 1, dir: folder }), /process \d+ has .* open: end it, or name another/)
    const port = Number(kafka.bootstrap[0]?.split(':')[1])
    await assert.rejects(startKafka({ brokers: 1, port, dir: join(dir, 'other') }), /is taken: choose another/)
    assert.deepEqual(await client().read('things', 1), ['one'])
  })

  it('says so when a broker ends by itself, and is the same cluster when it is started again', async () => {
    process.kill(kafka.pid(1) ?? 0, 'SIGTERM')
    while (kafka.pid(1) !== undefined) await new Promise(resolve => setTimeout(resolve, 20))
    assert.deepEqual(deaths, [1])
    await kafka.stop()
    kafka = await startKafka({ brokers: 1, dir: folder })
    assert.deepEqual(await client().read('things', 2), ['one', 'two'])
  })
})

describe('a folder for Kafka', () => {
  const one = { client: 9092, controller: 9093 }

  it('keeps its cluster, and is refused to one of another size', () => {
    const path = join(dir, 'kept')
    const { clusterId } = openFolder(path, [one])
    assert.equal(openFolder(path, [{ client: 1, controller: 2 }]).clusterId, clusterId)
    assert.throws(() => openFolder(path, [one, one, one]), /holds a cluster of 1 broker: start it with --brokers 1/)
  })

  it('is one process’s at a time, and free again when that has died', async () => {
    const path = join(dir, 'locked')
    const unlock = await lock(path)
    await assert.rejects(lock(path), new RegExp(`process ${process.pid} has .* open`))
    unlock()
    writeFileSync(join(path, 'lock'), `${spawnSync(process.execPath, ['--version']).pid}\n`)
    const again = await lock(path)
    await assert.rejects(lock(path), new RegExp(`process ${process.pid} has .* open`))
    again()
  })

  it('is refused when it holds something else', () => {
    const path = join(dir, 'else')
    mkdirSync(path)
    writeFileSync(join(path, 'cluster.json'), '{}')
    assert.throws(() => openFolder(path, [one]), /is not what a start of Kafka writes there/)
    rmSync(join(path, 'cluster.json'))
    writeFileSync(join(path, 'thesis.tex'), '')
    assert.throws(() => openFolder(path, [one]), /holds something else than Kafka/)
  })
})

describe('the properties of a broker', () => {
  const ports = [1, 2, 3].map(n => ({ client: 9000 + n, controller: 9100 + n }))

  it('keep everything three times, two of them in time, where there are three', () => {
    const text = serverProperties({ id: 2, ports, data: '/a' })
    assert.match(text, /^default\.replication\.factor=3$/m)
    assert.match(text, /^min\.insync\.replicas=2$/m)
    assert.match(text, /^controller\.quorum\.voters=1@127\.0\.0\.1:9101,2@127\.0\.0\.1:9102,3@127\.0\.0\.1:9103$/m)
    assert.match(text, /^listeners=PLAINTEXT:\/\/127\.0\.0\.1:9002,CONTROLLER:\/\/127\.0\.0\.1:9102$/m)
  })

  it('name the proxy of a route to whoever came by it', () => {
    const text = serverProperties({
      id: 1,
      ports: [{ client: 1, controller: 2, routes: [{ own: 3, proxy: 4 }] }],
      data: '/a',
    })
    assert.match(text, /^listeners=PLAINTEXT:.*:1,ROUTE1:.*:3,CONTROLLER:.*:2$/m)
    assert.match(text, /^advertised\.listeners=PLAINTEXT:.*:1,ROUTE1:.*:4$/m)
    assert.match(text, /^inter\.broker\.listener\.name=PLAINTEXT$/m)
    assert.match(text, /^listener\.security\.protocol\.map=.*,ROUTE1:PLAINTEXT$/m)
  })

  it('name no address but loopback', () => {
    for (const [, host] of serverProperties({ id: 1, ports, data: '/a' }).matchAll(/(?:\/\/|@)([^:]+):\d/g))
      assert.equal(host, '127.0.0.1')
  })

  it('spell a path as Java reads it back', () => {
    assert.match(serverProperties({ id: 1, ports, data: '/für\\uns' }), /^log\.dirs=\/f\\u00fcr\\u005cuns$/m)
  })
})

describe('a port that is taken', () => {
  it('is refused before anything is started', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => busy.once('listening', resolve))
    const address = busy.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const start = startKafka({ brokers: 1, port, dir: join(dir, 'taken') })
    await assert.rejects(start, new RegExp(`port ${port} of 127.0.0.1 is taken: choose another with --port`))
    busy.close()
  })
})
