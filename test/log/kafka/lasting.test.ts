import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Consumer } from 'kafkajs'
import { type Kafka, LastingConsumer } from '../../../src/log/kafka/kafkajs-consumer.ts'

/** A consumer of nothing, whose connections are made and lost by the test. */
class Fake {
  readonly events = { CRASH: 'crash' }
  readonly #connection = Promise.withResolvers<void>()
  #crashed = (_: unknown): void => {}
  isLeft = false

  on(_: string, crashed: (event: unknown) => void): void {
    this.#crashed = crashed
  }
  connect(): Promise<void> {
    return this.#connection.promise
  }
  async disconnect(): Promise<void> {
    this.isLeft = true
  }
  connected(): void {
    // kafkajs connects also one that was disconnected meanwhile.
    this.isLeft = false
    this.#connection.resolve()
  }
  refused(): void {
    this.#connection.reject(new Error('no broker answers'))
  }
  crash(): void {
    this.#crashed({ payload: { error: new Error('it gave up') } })
  }
}

async function started(): Promise<{ lasting: LastingConsumer; made: Fake[]; begun: unknown[] }> {
  const made: Fake[] = []
  const begun: unknown[] = []
  const kafka = {
    consumer() {
      const one = new Fake()
      made.push(one)
      return one
    },
  } as unknown as Kafka
  const lasting = new LastingConsumer({
    kafka,
    config: () => ({ groupId: 'group' }),
    begin: async (consumer: Consumer) => void begun.push(consumer),
    onTrouble: () => {},
  })
  const starting = lasting.start()
  made[0]?.connected()
  await starting
  return { lasting, made, begun }
}

describe('a consumer that is made anew', () => {
  it('is one: what was replaced while it started stays away, however its start ends', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    for (const end of ['connected', 'refused'] as const) {
      const { lasting, made, begun } = await started()
      made[0]?.crash()
      t.mock.timers.tick(1_000)
      assert.equal(made.length, 2)
      await lasting.again()
      assert.equal(made.length, 3)
      made[2]?.connected()
      made[1]?.[end]()
      await nextTurn()
      t.mock.timers.tick(10_000)
      await nextTurn()
      assert.equal(made.length, 3)
      assert.deepEqual(
        made.map(({ isLeft }) => isLeft),
        [false, true, false],
        'the first one crashed, and left by itself',
      )
      assert.deepEqual(begun, [made[0], made[2]])
      assert.ok(lasting.current === (made[2] as unknown))
      await lasting.close()
    }
  })

  it('leaves when it was closed while it started', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { lasting, made, begun } = await started()
    made[0]?.crash()
    t.mock.timers.tick(1_000)
    await lasting.close()
    made[1]?.connected()
    await nextTurn()
    assert.equal(made[1]?.isLeft, true)
    assert.equal(begun.length, 1)
    t.mock.timers.tick(10_000)
    assert.equal(made.length, 2)
  })
})
