import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import type { ShareOptions } from '../../../src/log/kafka/client.ts'
import type { ClusterMetrics } from '../../../src/service/cluster/metrics.ts'
import type { OwnedLoop } from '../../../src/service/cluster/owned-loop.ts'
import { Owners } from '../../../src/service/cluster/owners.ts'

describe('a partition that can not be worked on', () => {
  it('is left to others, also by a process that has only just started, and once a minute', async () => {
    const avoided: number[] = []
    const share = { confirmedAtMs: 0, avoid: async (n: number) => void avoided.push(n), close: async () => {} }
    const failing = {
      ...{ standing: 'failing', fencedAtMs: 0, failingSinceMs: performance.now() - 10_000 },
      ...{ start: () => {}, stop: async () => {} },
    }
    let looks = 0
    const working = {
      ...failing,
      get failingSinceMs() {
        looks += 1
        return undefined
      },
    }
    const owners = await Owners.start({
      client: {
        share: async ({ onAssigned }: ShareOptions) => {
          onAssigned([0, 1])
          return share
        },
      },
      ...{ group: 'group', topic: 'topic', fixed: undefined },
      owned: [failing, working] as unknown as OwnedLoop[],
      metrics: { rebalances: { inc: () => {} } } as unknown as ClusterMetrics,
      logger: pino({ enabled: false }),
    })
    while (looks < 2) await sleep(20)
    await owners.stop()
    assert.ok(performance.now() < 60_000)
    assert.deepEqual(avoided, [0])
  })
})
