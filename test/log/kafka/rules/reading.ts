import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import kafkajs from 'kafkajs'
import { api } from '../../../../infra/proxy/plan.ts'
import { CommitUnknown, NotCommitted } from '../../../../src/log/kafka/client.ts'
import { records } from './adapter.ts'
import type { Bench } from './bench.ts'
import { send } from './plain.ts'

export function describeReading(bench: () => Bench): void {
  describe('one transactional writer a partition', () => {
    it('is needed: what one aborts is read as committed when another aborts in the midst of it', async () => {
      const { name, plain } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      const id = name()
      const [one, two] = await Promise.all([client.transactional(name()), client.transactional(id)])
      const [first, second] = [await one.transaction(), await two.transaction()]
      await send(first, topic, ['aborted'])
      await send(second, topic, ['aborted as well'])
      await second.abort()
      await client.ended(id)
      await first.abort()
      assert.deepEqual(await client.committed(topic, 4), ['aborted'])
    })

    it('is kept: a writer’s open transaction has ended before the next writer sends', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      const id = name()
      await plain().create(topic)
      const client = await ours()
      for (const value of ['never', 'nor this']) {
        const writer = await client.writer(id)
        proxy.plan({ api: api.endTxn, what: 'request', how: 'close' })
        await assert.rejects(writer.commit(records(topic, [value])), CommitUnknown)
        await writer.close()
      }
      const writer = await client.writer(id)
      await client.commit(writer, records(topic, ['one']))
      assert.deepEqual(await client.values(topic), ['one'])
      await writer.close()
    })
  })

  describe('no key of four zero bytes', () => {
    it('is needed: a record with that key, and whatever follows it in its aborted transaction, is read as committed', async () => {
      const { name, plain } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      const producer = await client.transactional(name())
      const transaction = await producer.transaction()
      await send(transaction, topic, ['aborted'])
      await send(transaction, topic, ['taken for a marker'], Buffer.alloc(4))
      await send(transaction, topic, ['leaked'])
      await transaction.abort()
      assert.deepEqual(await client.committed(topic, 4), ['taken for a marker', 'leaked'])
    })

    it('is kept: ours refuses it before it sends anything, and says why', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      const before = proxy.seen(api.produce)
      const both = [...records(topic, ['one']), ...records(topic, ['two'], '\0\0\0\0')]
      await assert.rejects(writer.commit(both), (error: unknown) => {
        assert.ok(error instanceof NotCommitted)
        assert.match(error.message, /key of four zero bytes/)
        return true
      })
      assert.equal(proxy.seen(api.produce), before)
      await writer.close()
    })
  })

  describe('an offset that is out of range', () => {
    it('is silently another one to kafkajs, and records are skipped', async () => {
      const { name, plain } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      await send(await client.producer(), topic, ['0', '1', '2', '3', '4', '5'])
      await client.deleteBelow(topic, 4)
      assert.deepEqual(await client.committed(topic, 6, 2), ['4', '5'])
    })

    it('ends a reading of ours with an error', async () => {
      const { name, plain, ours } = bench()
      const other = plain()
      const topic = name()
      await other.create(topic)
      const client = await ours()
      await send(await other.producer(), topic, ['0', '1', '2', '3', '4', '5'])
      assert.deepEqual(await client.values(topic, 2), ['2', '3', '4', '5'])
      await other.deleteBelow(topic, 4)
      await assert.rejects(client.values(topic, 2), /to be read from offset 2/)
      assert.deepEqual(await client.values(topic, 4), ['4', '5'])
    })

    it('ends it also where nothing is left but the marker of a transaction', async () => {
      const { name, plain, ours } = bench()
      const other = plain()
      const topic = name()
      await other.create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      await client.commit(writer, records(topic, ['0', '1', '2']))
      await writer.close()
      const { end } = await client.bounds(topic)
      assert.equal(end, 4)
      await other.deleteBelow(topic, 3)
      await assert.rejects(client.values(topic, 1), /to be read from offset 1/)
      assert.deepEqual(await client.values(topic, 3), [])
    })

    it('is not what compaction, markers and aborted records leave: those are passed over', async () => {
      const { name, plain, ours } = bench()
      const other = plain()
      const topic = name()
      await other.create(topic)
      const producer = await other.transactional(name())
      for (const [value, isKept] of [
        ['aborted', false],
        ['one', true],
        ['aborted too', false],
      ] as const) {
        const transaction = await producer.transaction()
        await send(transaction, topic, [value])
        await (isKept ? transaction.commit() : transaction.abort())
      }
      const client = await ours()
      for (const from of [0, 1, 2]) assert.deepEqual(await client.values(topic, from), ['one'], `from ${from}`)
      for (const from of [3, 4, 5]) assert.deepEqual(await client.values(topic, from), [], `from ${from}`)
    })
  })

  describe('the end of a topic', () => {
    it('is the last stable offset: nothing at or behind an open transaction counts', async () => {
      const { name, plain, ours } = bench()
      const other = plain()
      const topic = name()
      await other.create(topic)
      await send(await other.producer(), topic, ['0', '1'])
      const transaction = await (await other.transactional(name())).transaction()
      await send(transaction, topic, ['open'])
      await send(await other.producer(), topic, ['behind it'])
      const client = await ours()
      assert.deepEqual(await client.bounds(topic), { low: 0, end: 2 })
      assert.deepEqual(await client.values(topic), ['0', '1'])
      await transaction.abort()
      while ((await client.bounds(topic)).end < 5) await new Promise(resolve => setTimeout(resolve, 20))
      assert.deepEqual(await client.values(topic), ['0', '1', 'behind it'])
    })
  })
  describe('letting records go', () => {
    it('needs the offsets of the topic asked for before: kafkajs knows no leader otherwise', async () => {
      const { name, plain } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      await send(await client.producer(), topic, ['0', '1'])
      const admin = await client.admin()
      const first = { topic, partitions: [{ partition: 0, offset: '1' }] }
      await assert.rejects(admin.deleteTopicRecords(first), /Topic metadata not loaded/)
    })

    it('is done by ours as the first thing that it is asked', async () => {
      const { name, plain, ours } = bench()
      const topic = name()
      await plain().create(topic)
      await send(await plain().producer(), topic, ['0', '1', '2'])
      const { client } = await ours()
      await client.trim({ topic, partition: 0 }, 2)
      assert.deepEqual(await client.bounds({ topic, partition: 0 }), { low: 2, end: 3 })
    })
  })

  describe('what kafkajs says of errors', () => {
    it('is a line on the terminal for each, and nothing from ours, which tells its caller', async t => {
      const { name, ours } = bench()
      const { client } = await ours()
      const said = t.mock.method(console, 'error', () => {})
      assert.equal(await client.partitions(name()), 0)
      assert.equal(said.mock.callCount(), 0)
      // Nobody listens there.
      const theirs = new kafkajs.Kafka({ brokers: ['127.0.0.1:9'], retry: { retries: 0 } })
      await assert.rejects(theirs.admin().connect())
      assert.ok(said.mock.callCount() > 0)
    })
  })
}
