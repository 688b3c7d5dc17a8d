import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { api, type Fault } from '../../../../infra/proxy/plan.ts'
import { CommitUnknown, Fenced, NotCommitted } from '../../../../src/log/kafka/client.ts'
import { openKafkaLog } from '../../../../src/log/kafka/open.ts'
import { NotWritten, WriteUnknown } from '../../../../src/log/port.ts'
import { batchAfter } from '../../batches.ts'
import { allOf } from '../../contract.ts'
import { records } from './adapter.ts'
import type { Bench } from './bench.ts'
import { send } from './plain.ts'

export function describeTakingOver(bench: () => Bench, dir: string): void {
  describe('a transactional id of the partition, and not of the process', () => {
    it('is needed: a stopped writer with an id of its own commits after another has gone on', async () => {
      const { name, plain, proxy } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      const [zombie, next] = [await client.transactional(name()), await client.transactional(name())]
      const late = await zombie.transaction()
      await send(late, topic, ['late'])
      const held = proxy.plan({ api: api.endTxn, what: 'request', how: 'hold' })
      const commit = late.commit()
      await held.met
      const transaction = await next.transaction()
      await send(transaction, topic, ['one'])
      const other = transaction.commit()
      held.release()
      await Promise.all([commit, other])
      assert.deepEqual((await client.committed(topic, 4)).sort(), ['late', 'one'])
    })

    for (const [what, held] of [
      ['commit', api.endTxn],
      ['first record', api.produce],
      ['transaction', api.addPartitionsToTxn],
    ] as const)
      it(`fences a zombie whose ${what} arrives after the take-over`, async () => {
        const { name, plain, ours, proxy, other } = bench()
        const topic = name()
        const id = name()
        await plain().create(topic)
        const [zombie, heir] = await Promise.all([ours(proxy), ours(other)])
        const old = await zombie.writer(id)
        await old.commit(records(topic, ['zero']))
        const plan = proxy.plan({ api: held, what: 'request', how: 'hold' })
        const late = old.commit(records(topic, ['late']))
        const outcome = assert.rejects(late, (error: unknown) =>
          what === 'commit' ? error instanceof CommitUnknown && error.isFenced : error instanceof Fenced,
        )
        await plan.met
        const next = await heir.writer(id)
        await next.commit(records(topic, ['one']))
        plan.release()
        await outcome
        await heir.commit(next, records(topic, ['two']))
        assert.deepEqual(await heir.values(topic), ['zero', 'one', 'two'])
        await Promise.all([old.close(), next.close()])
      })
  })

  describe('a writer that lost a connection', () => {
    it('begins no other transaction over a new one: what ends that ends one before that lacks its marker', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      await writer.commit(records(topic, ['one']))
      assert.equal(writer.isWorn, false)
      proxy.cut()
      while (!writer.isWorn) await new Promise(resolve => setTimeout(resolve, 5))
      const before = proxy.seen(api.addPartitionsToTxn)
      await assert.rejects(writer.commit(records(topic, ['two'])), NotCommitted)
      assert.equal(proxy.seen(api.addPartitionsToTxn), before)
      await writer.close()
    })

    it('is replaced by another before the next step, which nobody hears of', async () => {
      const { name, proxy } = bench()
      const prefix = name()
      const log = await openKafkaLog({ access: { brokers: [proxy.address] }, prefix, dir: join(dir, prefix) })
      const one = batchAfter(undefined)
      await log.append(one)
      const before = proxy.seen(api.initProducerId)
      proxy.cut()
      await new Promise(resolve => setTimeout(resolve, 100))
      await log.append(batchAfter(one.head))
      assert.ok(proxy.seen(api.initProducerId) > before)
      await log.close()
    })
  })

  describe('a log whose broker’s answers are lost', () => {
    const cases: readonly (readonly [string, Omit<Fault, 'how'>, boolean])[] = [
      ['a commit that took effect', { api: api.endTxn, what: 'answer' }, true],
      ['a commit that never arrived', { api: api.endTxn, what: 'request' }, false],
    ]
    for (const [what, fault, isThere] of cases)
      it(`knows by reading back of ${what}, loses nothing and doubles nothing`, async () => {
        const { name, proxy } = bench()
        const prefix = name()
        const open = (folder: string) =>
          openKafkaLog({ access: { brokers: [proxy.address] }, prefix, dir: join(dir, prefix, folder) })
        const log = await open('first')
        const one = batchAfter(undefined, { count: 3 })
        await log.append(one)
        const two = batchAfter(one.head, { count: 3 })
        const lost = proxy.plan({ ...fault, how: 'close' })
        await assert.rejects(log.append(two), WriteUnknown)
        await lost.met
        assert.deepEqual(await log.head('default'), isThere ? two.head : one.head)
        if (!isThere) await log.append(two)
        const three = batchAfter(two.head, { count: 3 })
        await log.append(three)
        assert.deepEqual(await log.read('default', 0, 20), [...one.entries, ...two.entries, ...three.entries])
        const all = await allOf(log)
        await log.close()
        const again = await open('again')
        assert.deepEqual(await allOf(again), all)
        await again.close()
      })

    it('is opened again while the markers of its last commit are still to come', async () => {
      const { name, proxy, between } = bench()
      const prefix = name()
      const open = () => openKafkaLog({ access: { brokers: [proxy.address] }, prefix, dir: join(dir, prefix) })
      const log = await open()
      const one = batchAfter(undefined)
      await log.append(one)
      const two = batchAfter(one.head)
      const held = proxy.plan({ api: api.endTxn, what: 'request', how: 'hold' })
      const commit = log.append(two)
      await held.met
      between.weather({ silent: true })
      held.release()
      await commit
      await log.close()
      const opened = open()
      const before = proxy.seen(api.listOffsets)
      // It asks for the end again and again.
      const asking = (async () => {
        while (proxy.seen(api.listOffsets) < before + 60) await new Promise(resolve => setTimeout(resolve, 5))
      })()
      await Promise.race([asking, opened])
      between.weather({})
      const again = await opened
      assert.deepEqual(await again.head('default'), two.head)
      await again.close()
    })

    it('takes over again when the answer to a take-over is lost', async () => {
      const { name, proxy } = bench()
      const prefix = name()
      const log = await openKafkaLog({ access: { brokers: [proxy.address] }, prefix, dir: join(dir, prefix) })
      const one = batchAfter(undefined)
      proxy.plan({ api: api.endTxn, what: 'request', how: 'close' })
      await assert.rejects(log.append(one), WriteUnknown)
      const lost = proxy.plan({ api: api.initProducerId, what: 'answer', how: 'close', nth: 2 })
      await assert.rejects(
        log.head('default'),
        (error: unknown) => error instanceof NotWritten && error.reason === 'failed',
      )
      await lost.met
      assert.equal(await log.head('default'), undefined)
      await log.append(one)
      assert.deepEqual(await log.head('default'), one.head)
      await log.close()
    })
  })
}
