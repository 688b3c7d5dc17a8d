import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sampleStream } from '../../../infra/sample-stream.ts'
import { checkEvent } from '../../../src/aep/event/accept.ts'
import type { Json } from '../../../src/aep/json.ts'
import type { Seq, StoredEntry } from '../../../src/ledger/entry.ts'
import type { KafkaRecord, NewRecord } from '../../../src/log/kafka/client.ts'
import { memoryViews } from '../../../src/log/memory-views.ts'
import { StateCopy } from '../../../src/service/cluster/state-copy.ts'
import { StateOwner } from '../../../src/service/cluster/state-owner.ts'
import type { StateTopic } from '../../../src/service/cluster/state-topic.ts'
import { stateView } from '../../../src/service/state-rows.ts'
import { StateView } from '../../../src/service/state-view.ts'
import { bytesOf } from '../../projections/history.ts'

const ledger = 'acme/prod'
const entries: readonly StoredEntry[] = [
  ...sampleStream({ seed: 3, events: 2_500, startMs: Date.parse('2026-11-01T00:00:00Z') }),
].map((event, seq) => {
  const checked = checkEvent(event as unknown as Json)
  assert.ok(checked.ok)
  return { seq: seq as Seq, bytes: bytesOf(checked.event, seq), signature: new Uint8Array(64) }
})

/** A partition of the state topic in memory: what is committed to it, a marker behind each transaction. */
class Partition {
  readonly records: KafkaRecord[] = []
  end = 0

  append(records: readonly NewRecord[]): Map<string, number> {
    for (const record of records) this.records.push({ ...record, offset: this.end++, timestampMs: 0 })
    const ends = new Map([['t/0', this.end]])
    this.end += 1
    return ends
  }
}

describe('the owner of the state of a partition', () => {
  it('folds on nothing that the topic has not, however it came into its rows', async () => {
    const partition = new Partition()
    const store = memoryViews()
    const view = await StateView.open(store)
    const copy = new StateCopy({ store, partitions: 1, headOf: () => entries.length - 1 })
    copy.begin(0, 0)
    const place = { topic: 't', partition: 0 }
    const anew = async (): Promise<number> => {
      copy.begin(0, partition.end)
      await copy.take(0, partition.records, partition.end)
      return partition.end
    }
    // A reader of entries that steps in between: once, another fold takes entries into the same rows.
    let strays = 0
    const log = {
      async read(_: string, from: number, limit: number) {
        const some = entries.slice(from, from + limit)
        if (from >= 1_000 && strays === 0) {
          strays += 1
          await copy.inTurn(ledger, () => view.take(ledger, some))
        }
        return some
      },
    }
    const errors: unknown[] = []
    const owner = new StateOwner({
      client: {
        writer: async () => ({
          isWorn: false,
          commit: async records => partition.append(records),
          close: async () => {},
        }),
        bounds: async () => ({ low: 0, end: partition.end }),
        async *read() {
          yield partition.records
        },
      },
      ...{ partition: 0, transactionalId: 'x', log, headOf: () => entries.length - 1, ledgersOf: () => [ledger] },
      ...{ view, copy, restMs: 0, logger: { info() {}, warn() {} } },
      onError: error => errors.push(error),
      topic: {
        ...{ current: async () => partition.end, place: () => place, anew, pause() {}, resume: async () => {} },
      } as unknown as StateTopic,
    })
    owner.loop.start()
    for (let tries = 0; copy.at(ledger)?.position !== entries.length - 1; tries++) {
      assert.ok(tries < 500, `it stands at ${copy.at(ledger)?.position}: ${errors}`)
      await sleep(10)
    }
    await owner.loop.stop()
    assert.equal(strays, 1)
    assert.match(String(errors), /stands at 1999 here, and at 999 in the topic/)

    const other = memoryViews()
    const reader = new StateCopy({ store: other, partitions: 1, headOf: () => entries.length - 1 })
    reader.begin(0, partition.end)
    await reader.take(0, partition.records, partition.end)
    assert.equal(other.dump(stateView, ledger), store.dump(stateView, ledger))
  })
})
