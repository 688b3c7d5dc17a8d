import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { kafkajsClient } from '../../../src/log/kafka/kafkajs.ts'
import type { KafkaLog } from '../../../src/log/kafka/log.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { newTopics, topicsOf } from '../../../src/log/kafka/topics.ts'
import { LogUnreadable, NotWritten } from '../../../src/log/port.ts'
import { noKafka } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'
import { allOf, describeLog } from '../contract.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-log-'))
after(() => rmSync(dir, { recursive: true, force: true }))

describe('with a broker', { skip: noKafka }, () => {
  let kafka: RunningKafka
  let names = 0
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
  })
  after(() => kafka.stop())

  const newPrefix = (): string => `test-${++names}`
  const open = (prefix: string, folder = prefix): Promise<KafkaLog> =>
    openKafkaLog({ access: { brokers: kafka.bootstrap }, prefix, dir: join(dir, folder), partitions: 2 })

  const prefixes = new Map<unknown, string>()
  const make = async (prefix = newPrefix()): Promise<KafkaLog> => {
    const log = await open(prefix)
    prefixes.set(log, prefix)
    return log
  }
  describeLog('Kafka', {
    make: () => make(),
    reopen: async log => {
      await log.close()
      return make(prefixes.get(log) ?? '')
    },
  })

  describe('a log in Kafka', () => {
    it('is whole again when its replica is lost', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      const first = batchAfter(undefined, { count: 2_500 })
      await log.append(first)
      await log.append(batchAfter(first.head, { count: 3 }))
      await log.putRecord('7'.repeat(64), Buffer.alloc(1_500_000, 'part'))
      const before = await allOf(log)
      await log.close()
      const again = await open(prefix, `${prefix}-elsewhere`)
      assert.deepEqual(await allOf(again), before)
      assert.equal((await again.record('7'.repeat(64)))?.length, 1_500_000)
      await again.close()
    })

    it('belongs to whoever wrote to it last, and the one before stays off', async () => {
      const prefix = newPrefix()
      const first = await open(prefix)
      const one = batchAfter(undefined)
      await first.append(one)
      const second = await open(prefix, `${prefix}-second`)
      assert.deepEqual(await second.head('default'), one.head)
      const two = batchAfter(one.head)
      await second.append(two)
      for (const _ of [1, 2]) {
        await assert.rejects(first.append(two), (error: unknown) => {
          assert.ok(error instanceof NotWritten && error.reason === 'closed', String(error))
          return true
        })
      }
      assert.deepEqual(await second.head('default'), two.head)
      assert.equal((await second.read('default', 0, 10)).length, 2)
      await Promise.all([first.close(), second.close()])
    })

    it('reads nothing of a transaction that was broken off', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      const one = batchAfter(undefined, { count: 3 })
      await log.append(one)
      await log.close()
      const topic = `${prefix}.ledger`
      const client = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING })
      const producer = client.producer({ transactionalId: 'another', idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ partition: 0, key: 'default', value: 'never committed' }] })
      await transaction.abort()
      await producer.disconnect()
      const again = await open(prefix, `${prefix}-again`)
      assert.deepEqual(await again.read('default', 0, 10), one.entries)
      await again.append(batchAfter(one.head))
      await again.close()
    })

    it('refuses to write behind a record that no ledger wrote, and says where it is', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      await log.append(batchAfter(undefined))
      await log.close()
      const producer = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).producer()
      await producer.connect()
      await producer.send({ topic: `${prefix}.ledger`, messages: [{ key: 'default', value: 'poison' }] })
      await producer.disconnect()
      await assert.rejects(open(prefix), (error: unknown) => {
        assert.ok(error instanceof LogUnreadable, String(error))
        assert.match(error.message, /offset 2 of the ledger topic is not one that a ledger writes/)
        return true
      })
    })

    it('refuses a topic that ends before what was read of it', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      await log.append(batchAfter(undefined))
      await log.close()
      const client = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).admin()
      await client.connect()
      await client.deleteTopics({ topics: [`${prefix}.ledger`] })
      await client.disconnect()
      await assert.rejects(open(prefix), /test-\d+\.ledger is gone: carry the ledgers/)
    })

    it('is not written by a process that never saw what was cut off, because the heads say that there was more', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      const one = batchAfter(undefined, { count: 5 })
      await log.append(one)
      await log.close()
      const topic = `${prefix}.ledger`
      const admin = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).admin()
      await admin.connect()
      await admin.deleteTopics({ topics: [topic] })
      await admin.disconnect()
      const client = await kafkajsClient({ brokers: kafka.bootstrap })
      const made = newTopics(topicsOf(prefix), { partitions: 2, replicas: 1 }).filter(({ name }) => name === topic)
      const untilMs = performance.now() + 10_000
      while ((await client.topics([topic])).size > 0 && performance.now() < untilMs) {
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      await client.create(made)
      await client.close()
      const cold = await open(prefix, `${prefix}-cold`)
      await assert.rejects(cold.append(batchAfter(undefined)), (error: unknown) => {
        assert.ok(error instanceof NotWritten, String(error))
        assert.match(error.message, /default ends in test-\d+\.ledger\/\d at seq -1, and was written up to seq 4/)
        return true
      })
      await cold.close()
      await assert.rejects(open(prefix), /ends at offset 0, and was read up to \d+ before/)
    })

    it('is refused where the records beside it were cut off, and nothing is left to be read', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      await log.putRecord('8'.repeat(64), Buffer.from('large'))
      await log.close()
      const client = await kafkajsClient({ brokers: kafka.bootstrap })
      const place = { topic: `${prefix}.records`, partition: 0 }
      await client.trim(place, (await client.bounds(place)).end)
      await client.close()
      await assert.rejects(open(prefix, `${prefix}-empty`), /\.records\/0 has lost its records before offset 1/)
      await (await open(prefix)).close()
    })

    it('is refused where its topic would lose what is written to it, with the command that mends it', async () => {
      const prefix = newPrefix()
      const client = await kafkajsClient({ brokers: kafka.bootstrap })
      const settings = { 'cleanup.policy': 'compact' }
      await client.create([{ name: `${prefix}.ledger`, partitions: 2, replicas: 1, settings }])
      await assert.rejects(open(prefix), (error: unknown) => {
        assert.ok(error instanceof LogUnreadable)
        assert.match(
          error.message,
          /kafka-configs\.sh .*--entity-name test-\d+\.ledger --add-config cleanup\.policy=delete/,
        )
        return true
      })
      await client.close()
    })

    it('ends a reading in the middle when the broker is gone and stays away', async () => {
      await (await open('gone', 'gone')).close()
      const client = await kafkajsClient({ brokers: kafka.bootstrap })
      const place = { topic: 'gone.control', partition: 0 }
      const reading = client.read(place, 0, (await client.bounds(place)).end + 1)[Symbol.asyncIterator]()
      assert.equal((await reading.next()).value?.[0]?.key, 'installation')
      await kafka.kill(1)
      await assert.rejects(reading.next())
      await client.close()
      await kafka.start(1)
    })

    it('goes on after the broker was killed and started again', async () => {
      const prefix = newPrefix()
      const log = await open(prefix)
      try {
        const one = batchAfter(undefined)
        await log.append(one)
        await kafka.kill(1)
        const two = batchAfter(one.head)
        await assert.rejects(log.append(two))
        await kafka.start(1)
        const head = await log.head('default')
        if (head?.seq === 0) await log.append(two)
        assert.deepEqual(await log.head('default'), two.head)
      } finally {
        await log.close()
      }
    })
  })
})
