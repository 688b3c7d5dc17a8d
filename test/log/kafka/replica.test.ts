import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { EmbeddedLog } from '../../../src/log/embedded/log.ts'
import { openEmbedded } from '../../../src/log/embedded/open.ts'
import type { KafkaRecord } from '../../../src/log/kafka/client.ts'
import { openPositions } from '../../../src/log/kafka/positions.ts'
import { recordsOf, type Step } from '../../../src/log/kafka/records.ts'
import { Replica } from '../../../src/log/kafka/replica.ts'
import { WriteUnknown } from '../../../src/log/port.ts'
import { batchAfter } from '../batches.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-replica-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const place = { topic: 'aep.ledger', partition: 0 }
let folders = 0

interface Rig {
  readonly replica: Replica
  readonly log: EmbeddedLog
  readonly heard: string[]
}

/** A replica in a folder of its own; `distrust` is what its listener says of batches of others. */
async function rig(wrap: (log: EmbeddedLog) => EmbeddedLog = log => log, distrust?: string): Promise<Rig> {
  folders += 1
  const folder = join(dir, `replica-${folders}`)
  const heard: string[] = []
  mkdirSync(folder)
  const positions = openPositions(folder, [place.topic])
  const log = await openEmbedded(folder)
  const listener = {
    vouch: () => distrust,
    onKept: (_: number, { ledger, head }: { ledger: string; head: { seq: number } }) =>
      heard.push(`${ledger} ${head.seq}`),
    onPlaced: (_: number, intake: number) => heard.push(`placed ${intake}`),
  }
  return {
    replica: new Replica({ log: wrap(log), positions, topic: place.topic, listener, partitionOf: () => 0 }),
    log,
    heard,
  }
}

/** Records of steps as they stand in the topic, each step followed by the marker of its commit. */
function standing(...steps: readonly Step[]): KafkaRecord[] {
  let at = 0
  return steps.flatMap(step => {
    const records = recordsOf(place, step, at).map((record, n) => ({ ...record, offset: at + n, timestampMs: 0 }))
    at += records.length + 1
    return records
  })
}

const a = batchAfter(undefined, { ledger: 'a', count: 3 })
const b = batchAfter(undefined, { ledger: 'b', count: 2 })
const more = batchAfter(a.head, { ledger: 'a', count: 2 })

describe('a replica of a partition', () => {
  it('keeps steps whole, tells of each once, and knows how far intake is placed', async () => {
    const { replica, log, heard } = await rig()
    const records = standing({ batches: [a, b], intake: 4 }, { batches: [], intake: 6 }, { batches: [more], intake: 7 })
    for (const record of records) await replica.take(0, [record], record.offset + 1)
    assert.deepEqual(heard, ['a 2', 'b 1', 'placed 4', 'placed 6', 'a 4', 'placed 7'])
    assert.deepEqual([replica.placed(0), (await log.head('a'))?.seq, (await log.head('b'))?.seq], [7, 4, 1])
    replica.begin(0)
    await replica.take(0, records, 11)
    assert.equal(heard.length, 6, 'what is there already is told nobody again')
    await log.close()
  })

  it('tells of what it had kept already when a step of its own was kept by half', async () => {
    let broken = true
    const { replica, log, heard } = await rig(
      inner =>
        new Proxy(inner, {
          get: (target, name) => {
            if (name !== 'append' || !broken)
              return Reflect.get(target, name, target).bind?.(target) ?? Reflect.get(target, name)
            return async (batch: typeof a) => {
              await target.append(batch)
              if (batch.ledger === 'b') throw new WriteUnknown('planted')
            }
          },
        }),
    )
    const step = { batches: [a, b], intake: 4 }
    await assert.rejects(replica.keepOwn(0, step, 5))
    assert.deepEqual(heard, [])
    broken = false
    replica.begin(0)
    await replica.take(0, standing(step), 6)
    assert.deepEqual(heard, ['a 2', 'b 1', 'placed 4'])
    await log.close()
  })

  it('refuses a record that stands at another place than it was written for, and another content at a place', async () => {
    const { replica, log } = await rig()
    const [first, ...others] = standing({ batches: [a], intake: 1 })
    assert.ok(first)
    await assert.rejects(replica.take(0, [{ ...first, offset: 1 }], 2), /at offset 1 was written to stand at 0/)
    replica.begin(0)
    await replica.take(0, [first, ...others], 4)
    const forged = a.entries.map((entry, n) =>
      n === 1 ? { ...entry, signature: a.entries[0]?.signature ?? entry.signature } : entry,
    )
    replica.begin(0)
    const again = recordsOf(place, { batches: [{ ...a, entries: forged }] }, 4).map((record, n) => ({
      ...record,
      offset: 4 + n,
      timestampMs: 0,
    }))
    await assert.rejects(replica.take(0, again, 8), /another history of a from seq 0 on/)
    await log.close()
  })

  it('refuses a ledger that lives in another partition', async () => {
    const { replica, log } = await rig()
    await assert.rejects(replica.take(1, standing({ batches: [a] }), 4), /it lives in another partition/)
    assert.equal(await log.head('a'), undefined)
    await log.close()
  })

  it('keeps nothing of a batch that is not vouched for', async () => {
    const { replica, log, heard } = await rig(undefined, 'seq 2 is not signed')
    await assert.rejects(replica.take(0, standing({ batches: [a] }), 4), /seq 2 is not signed/)
    assert.deepEqual([heard, await log.head('a')], [[], undefined])
    await log.close()
  })

  it('does not wait for the end of a step that was cut off', async () => {
    const { replica, log } = await rig()
    const whole = standing({ batches: [a], intake: 1 })
    const end = replica.reached(0, 3)
    end.catch(() => {})
    await assert.rejects(
      replica.take(0, whole.slice(0, 2), 3).catch(error => {
        replica.stop(0, error)
        throw error
      }),
      /has no end: records were cut off/,
    )
    await assert.rejects(end, /has no end/)
    await log.close()
  })
})
