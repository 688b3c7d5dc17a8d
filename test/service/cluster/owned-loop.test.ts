import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { OwnedLoop, type OwnedWork } from '../../../src/service/cluster/owned-loop.ts'

/** Work that notes what it is told, and fails as often as it is told to. */
function rig() {
  const told: string[] = []
  const failing = { takeOver: 0, step: 0 }
  let isFenced = false
  const fail = (what: keyof typeof failing): void => {
    if (failing[what] === 0) return
    failing[what] -= 1
    throw new Error(`no ${what}`)
  }
  const work: OwnedWork = {
    takeOver: async () => {
      told.push('take over')
      fail('takeOver')
    },
    step: async () => {
      fail('step')
      if (isFenced) throw new Error('fenced')
      told.push('step')
      await loop.idle(10_000)
    },
    letGo: async () => void told.push('let go'),
    isFenced: () => isFenced,
    failed: (_, retryInMs) => void told.push(`failed, ${retryInMs} ms`),
    fenced: () => void told.push('fenced'),
  }
  const loop = new OwnedLoop(work)
  return { told, failing, loop, fence: (is: boolean) => (isFenced = is) }
}

async function until(is: () => boolean): Promise<void> {
  for (let tries = 0; !is(); tries++) {
    if (tries > 400) assert.fail('it did not come to that')
    await sleep(5)
  }
}

describe('the life of a partition in a process', () => {
  it('is taken over, worked on when there is something to do, and let go', async () => {
    const { told, loop } = rig()
    loop.start()
    loop.start()
    await until(() => told.includes('step'))
    assert.equal(loop.standing, 'owned')
    loop.wake()
    await until(() => told.filter(one => one === 'step').length === 2)
    await loop.stop()
    assert.deepEqual(told, ['take over', 'step', 'step', 'let go'])
    assert.equal(loop.standing, 'stopped')
  })

  it('begins anew after every error, after longer and longer rests, until a step succeeds', async () => {
    const { told, failing, loop } = rig()
    failing.takeOver = 2
    failing.step = 1
    loop.start()
    await until(() => told.includes('failed, 100 ms'))
    assert.equal(loop.standing, 'failing')
    assert.equal(loop.trouble, 'no takeOver')
    assert.ok(performance.now() - (loop.failingSinceMs ?? 0) < 5_000)
    await until(() => told.includes('step'))
    assert.deepEqual(
      told.filter(one => one.startsWith('failed')),
      ['failed, 50 ms', 'failed, 100 ms', 'failed, 200 ms'],
    )
    failing.step = 1
    loop.wake()
    await until(() => told.filter(one => one === 'step').length === 2)
    assert.equal(told.filter(one => one === 'failed, 50 ms').length, 2)
    assert.equal(loop.trouble, undefined)
    await loop.stop()
    assert.equal(loop.failingSinceMs, undefined)
  })

  it('ends where another process owns it, until it is told to start again', async () => {
    const { told, loop, fence } = rig()
    const since = performance.now()
    fence(true)
    loop.start()
    await until(() => loop.standing === 'fenced')
    assert.ok(loop.fencedAtMs >= since)
    await sleep(150)
    assert.deepEqual(told, ['take over', 'let go', 'fenced'])
    fence(false)
    loop.start()
    await until(() => told.includes('step'))
    await loop.stop()
  })

  it('rests no longer than until it is told to stop', async () => {
    const { failing, told, loop } = rig()
    failing.takeOver = 100
    loop.start()
    await until(() => told.includes('failed, 400 ms'))
    const since = performance.now()
    await loop.stop()
    assert.ok(performance.now() - since < 300)
    assert.equal(told.at(-1), 'let go')
  })
})
