import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { api } from '../../../../infra/proxy/plan.ts'
import type { FaultProxy } from '../../../../infra/proxy/proxy.ts'
import { CommitUnknown, NotCommitted, SendUnknown } from '../../../../src/log/kafka/client.ts'
import { records } from './adapter.ts'
import type { Bench } from './bench.ts'
import { send } from './plain.ts'

const lostAnswer = (api: number) => ({ api, what: 'answer', how: 'close' }) as const

export function describeSending(bench: () => Bench): void {
  describe('one send outstanding a producer', () => {
    it('is needed: of two sends, one whose answer is lost costs the other its record, and both were acknowledged', async () => {
      const { name, plain, proxy } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      const producer = await client.producer({ idempotent: true, maxInFlightRequests: 1 })
      await send(producer, topic, ['first'])
      const lost = proxy.plan(lostAnswer(api.produce))
      await Promise.all([send(producer, topic, ['one']), send(producer, topic, ['two'])])
      await lost.met
      const [first, ...rest] = await client.committed(topic, 3)
      assert.equal(first, 'first')
      // Which of the two goes first is open.
      assert.ok(['one,one', 'two,two'].includes(rest.join()), rest.join())
    })

    it('is kept: of two commits at once one is refused, and each that is acknowledged is there once', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      await client.commit(writer, records(topic, ['first']))
      const lost = proxy.plan(lostAnswer(api.produce))
      const [one, two] = await Promise.allSettled([
        client.commit(writer, records(topic, ['one'])),
        writer.commit(records(topic, ['two'])),
      ])
      await lost.met
      assert.equal(one.status, 'fulfilled')
      assert.ok(two.status === 'rejected' && two.reason instanceof NotCommitted)
      assert.deepEqual(await client.values(topic), ['first', 'one'])
      await writer.close()
    })

    it('is enough: a lost answer in the middle of many sends doubles nothing', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      const lost = proxy.plan({ ...lostAnswer(api.produce), nth: 2 })
      const values = Array.from({ length: 2_500 }, (_, n) => String(n))
      const end = await client.commit(writer, records(topic, values))
      await lost.met
      assert.deepEqual(await client.values(topic), values)
      assert.equal(end, 2_500)
      await writer.close()
    })
  })

  describe('a plain producer of ours', () => {
    it('refuses a second send at once, and what it acknowledges is there once, where it says', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const producer = await client.producer()
      assert.equal(await producer.send(records(topic, ['first'])), 0)
      const lost = proxy.plan(lostAnswer(api.produce))
      const [one, two] = await Promise.allSettled([
        producer.send(records(topic, ['one', 'and one'])),
        producer.send(records(topic, ['two'])),
      ])
      await lost.met
      assert.deepEqual(one, { status: 'fulfilled', value: 1 })
      assert.ok(two.status === 'rejected' && two.reason instanceof SendUnknown)
      assert.equal(await producer.send(records(topic, ['three'])), 3)
      assert.deepEqual(await client.values(topic), ['first', 'one', 'and one', 'three'])
      await producer.close()
    })
  })

  describe('a new producer after any error of a transaction', () => {
    it('is needed: after a commit whose answer is lost, the old one begins no other', async () => {
      const { name, plain, proxy } = bench()
      const client = plain()
      const topic = name()
      await client.create(topic)
      const producer = await client.transactional(name())
      const transaction = await producer.transaction()
      await send(transaction, topic, ['one'])
      const lost = proxy.plan(lostAnswer(api.endTxn))
      await assert.rejects(transaction.commit())
      await lost.met
      await assert.rejects(producer.transaction(), /Cannot call "beginTransaction" in state "COMMITTING"/)
    })

    it('is kept: the old writer takes nothing more, and the next one does', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      const id = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(id)
      proxy.plan(lostAnswer(api.endTxn))
      await assert.rejects(writer.commit(records(topic, ['one'])), CommitUnknown)
      await assert.rejects(writer.commit(records(topic, ['never'])), NotCommitted)
      await writer.close()
      const next = await client.writer(id)
      await client.commit(next, records(topic, ['two']))
      assert.deepEqual(await client.values(topic), ['one', 'two'])
      await next.close()
    })
  })

  describe('a short time before another try', () => {
    it('is needed and kept: while the markers of one transaction are written, kafkajs sleeps where ours asks again', async () => {
      const { name, plain, ours, proxy, other, between } = bench()
      const client = plain(other)
      const [theirs, own] = [name(), name()]
      await client.create(theirs)
      await client.create(own)
      const producer = await client.transactional(name())
      const transact = async () => {
        const transaction = await producer.transaction()
        await send(transaction, theirs, ['one'])
        await transaction.commit()
      }
      const writer = await (await ours()).writer(name())
      const commit = () => writer.commit(records(own, ['one']))
      await Promise.all([transact(), commit()])

      // Both commit, and the markers of both wait.
      const held = [proxy, other].map(one => one.plan({ api: api.endTxn, what: 'request', how: 'hold' }))
      const both = [transact(), commit()]
      await Promise.all(held.map(({ met }) => met))
      between.weather({ silent: true })
      for (const one of held) one.release()
      await Promise.all(both)

      const tries = (of: FaultProxy): number => of.seen(api.addPartitionsToTxn)
      const [ownBefore, theirsBefore] = [tries(proxy), tries(other)]
      const next = [transact(), commit()]
      while (tries(other) < theirsBefore + 3) await new Promise(resolve => setTimeout(resolve, 5))
      const ownTries = tries(proxy) - ownBefore
      between.weather({})
      await Promise.all(next)
      assert.ok(ownTries >= 5, `ours asked ${ownTries} times while kafkajs asked 3 times`)
      await writer.close()
    })
  })

  describe('a request whose answer is lost', () => {
    it('fails a take-over when it was InitProducerId, and the next take-over works', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const lost = proxy.plan(lostAnswer(api.initProducerId))
      await assert.rejects(client.writer('taken'))
      await lost.met
      const writer = await client.writer('taken')
      await client.commit(writer, records(topic, ['one']))
      assert.deepEqual(await client.values(topic), ['one'])
      await writer.close()
    })

    it('costs nothing when it was AddPartitionsToTxn', async () => {
      const { name, plain, ours, proxy } = bench()
      const topic = name()
      await plain().create(topic)
      const client = await ours()
      const writer = await client.writer(name())
      const lost = proxy.plan(lostAnswer(api.addPartitionsToTxn))
      await client.commit(writer, records(topic, ['one']))
      await lost.met
      assert.deepEqual(await client.values(topic), ['one'])
      await writer.close()
    })

    for (const [what, outcome, values] of [
      ['answer', 'it was committed', ['one', 'two']],
      ['request', 'it was not', ['two']],
    ] as const)
      it(`leaves a commit unknown when the ${what} of EndTxn is lost: ${outcome}`, async () => {
        const { name, plain, ours, proxy } = bench()
        const topic = name()
        const id = name()
        await plain().create(topic)
        const client = await ours()
        const writer = await client.writer(id)
        const lost = proxy.plan({ api: api.endTxn, what, how: 'close' })
        await assert.rejects(
          writer.commit(records(topic, ['one'])),
          (error: unknown) => error instanceof CommitUnknown && !error.isFenced,
        )
        await lost.met
        await writer.close()
        const next = await client.writer(id)
        await client.commit(next, records(topic, ['two']))
        assert.deepEqual(await client.values(topic), values)
        await next.close()
      })
  })

  describe('a connection that swallows all', () => {
    for (const what of ['request', 'answer'] as const)
      it(`is ended after a while, and a commit goes on by another, when it begins with the ${what} of a produce`, async () => {
        const { name, plain, ours, proxy } = bench()
        const topic = name()
        await plain().create(topic)
        const client = await ours()
        const writer = await client.writer(name())
        await client.commit(writer, records(topic, ['one']))
        const hung = proxy.plan({ api: api.produce, what, how: 'hang' })
        await client.commit(writer, records(topic, ['two']))
        await hung.met
        assert.deepEqual(await client.values(topic), ['one', 'two'])
        await writer.close()
      })
  })
}
