import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { api } from '../../../infra/proxy/plan.ts'
import { Heads } from '../../../src/log/kafka/heads.ts'
import type { KafkaLog } from '../../../src/log/kafka/log.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { Partition, type PartitionParts } from '../../../src/log/kafka/partition.ts'
import { LogUnreadable, NotWritten } from '../../../src/log/port.ts'
import { noKafka } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'
import { type Bench, startBench } from './rules/bench.ts'

describe('the heads of a partition', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-heads-'))
  let bench: Bench
  const logs: KafkaLog[] = []
  before(async () => {
    bench = await startBench(dir)
  })
  after(async () => {
    await Promise.all(logs.map(log => log.close()))
    await bench.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const open = async (prefix: string, folder: string): Promise<KafkaLog> => {
    const access = { brokers: [bench.proxy.address] }
    const log = await openKafkaLog({ access, prefix, dir: join(dir, prefix, folder), partitions: 1 })
    logs.push(log)
    return log
  }

  it('are not read again by whoever takes it over: they were followed', async () => {
    const prefix = bench.name()
    const [owner, standby] = [await open(prefix, 'owner'), await open(prefix, 'standby')]
    let last = batchAfter(undefined)
    await owner.append(last)
    for (let n = 0; n < 100; n += 1) {
      last = batchAfter(last.head)
      await owner.append(last)
    }
    await standby.current()
    const joined = bench.proxy.seen(api.joinGroup)
    await standby.append(batchAfter(last.head))
    assert.equal(bench.proxy.seen(api.joinGroup), joined, 'nothing joins a group to read')
    await assert.rejects(owner.append(batchAfter(last.head)), NotWritten)
  })

  it('are named where one is none, and the partition can be taken over when it is taken away', async () => {
    const prefix = bench.name()
    const log = await open(prefix, 'one')
    const one = batchAfter(undefined)
    const place = { topic: log.topics.heads, partition: 0, key: 'stray', headers: {} }
    const producer = await log.client.producer()
    await producer.send([{ ...place, value: Buffer.from('no JSON') }])
    const [partition] = log.partitions
    await assert.rejects(Promise.resolve(partition?.own()), (error: unknown) => {
      assert.ok(error instanceof LogUnreadable)
      assert.match(error.message, /\.heads\/0 holds at offset 0, under the key "stray".*without a value/)
      return true
    })
    await producer.send([{ ...place, value: new Uint8Array(), isTombstone: true }])
    await producer.close()
    await log.append(one)
  })

  it('lie in a topic that is compacted soon', async () => {
    const { client, topics } = await open(bench.name(), 'one')
    const { settings } = (await client.topics([topics.heads])).get(topics.heads) ?? {}
    assert.equal(settings?.get('segment.ms'), '3600000')
    assert.equal(settings?.get('min.cleanable.dirty.ratio'), '0.1')
  })
})

describe('whoever takes a partition over', () => {
  it('fences nobody before it knows the heads that are there', async () => {
    const did: string[] = []
    const heads = new Heads({ topic: 'heads', partition: 0 })
    const parts = {
      ...{ number: 0, heads, topics: { ledger: 'ledger' }, transactionalId: 'id', headOf: async () => undefined },
      client: {
        bounds: async ({ topic }: { topic: string }) => ({ low: 0, end: topic === 'heads' ? 2 : 0 }),
        high: async ({ topic }: { topic: string }) => (topic === 'heads' ? 2 : 0),
        writer: async () => {
          did.push('fenced')
          return { close: async () => {} }
        },
      },
      tail: { pause: () => {}, resume: () => {} },
      replica: { position: () => 0, reached: async () => {} },
    } as unknown as PartitionParts
    const owned = new Partition(parts).own().then(() => did.push('owned'))
    heads.take([], 1)
    await nextTurn()
    assert.deepEqual(did, [])
    heads.take([], 2)
    await owned
    assert.deepEqual(did, ['fenced', 'owned'])
  })

  it('hears why the heads can not be followed, and tries again from the beginning', async () => {
    const heads = new Heads({ topic: 'heads', partition: 3 })
    heads.stop(new Error('no such codec'))
    await assert.rejects(heads.reached(1), /heads\/3 can't be followed: Error: no such codec/)
    heads.begin()
    const reached = heads.reached(1)
    heads.take([], 1)
    await reached
  })
})
