import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import type { KafkaClient, Share } from '../../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../../src/log/kafka/kafkajs.ts'
import { noKafka } from '../../infra/engines.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-share-'))
after(() => rmSync(dir, { recursive: true, force: true }))

describe('a group that shares partitions out', { skip: noKafka }, () => {
  let kafka: RunningKafka
  let client: KafkaClient
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    client = await kafkajsClient({ brokers: kafka.bootstrap })
    await client.create([{ name: 'shared', partitions: 4, replicas: 1, settings: {} }])
  })
  after(async () => {
    await client?.close()
    await kafka?.stop()
  })

  const has = new Map<string, readonly number[]>()
  const joined = (name: string): Promise<Share> =>
    client.share({
      ...{ group: 'sharers', topic: 'shared', onTrouble: () => {} },
      onAssigned: partitions => void has.set(name, partitions),
    })
  async function shared(is: () => boolean): Promise<void> {
    for (const untilMs = performance.now() + 30_000; !is(); await sleep(50)) {
      if (performance.now() > untilMs) assert.fail(JSON.stringify([...has]))
    }
  }
  const all = (): number[] => [...has.values()].flat().sort()

  it('gives what one member can not work on to another, and the rest stays', async () => {
    const first = await joined('first')
    await shared(() => has.get('first')?.length === 4)
    const second = await joined('second')
    await shared(() => has.get('first')?.length === 2 && has.get('second')?.length === 2)
    const [avoided = -1, kept = -1] = has.get('first') ?? []
    await first.avoid(avoided)
    // The first is out of the group for a moment, in which the second may have all of them.
    const isMoved = () => has.get('second')?.includes(avoided) === true && has.get('first')?.includes(avoided) === false
    await shared(() => isMoved() && all().length === 4)
    assert.deepEqual(all(), [0, 1, 2, 3])
    assert.ok(has.get('first')?.includes(kept), JSON.stringify([...has]))
    // Nobody else is there: it has all of them, whatever it said.
    await second.close()
    await shared(() => has.get('first')?.length === 4)
    await first.close()
  })
})
