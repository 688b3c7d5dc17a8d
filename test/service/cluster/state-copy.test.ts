import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sampleStream } from '../../../infra/sample-stream.ts'
import { checkEvent } from '../../../src/aep/event/accept.ts'
import type { Json } from '../../../src/aep/json.ts'
import type { Seq, StoredEntry } from '../../../src/ledger/entry.ts'
import type { KafkaRecord } from '../../../src/log/kafka/client.ts'
import { stateRecords } from '../../../src/log/kafka/state-records.ts'
import { memoryViews } from '../../../src/log/memory-views.ts'
import type { ViewStore } from '../../../src/projections/store.ts'
import { StateCopy } from '../../../src/service/cluster/state-copy.ts'
import { stateVersion, stateView } from '../../../src/service/state-rows.ts'
import { StateView } from '../../../src/service/state-view.ts'
import { bytesOf } from '../../projections/history.ts'

const ledger = 'acme/prod'
const stepEntries = 10

const entries: readonly StoredEntry[] = [
  ...sampleStream({ seed: 3, events: 200, startMs: Date.parse('2026-11-01T00:00:00Z') }),
].map((event, seq) => {
  const checked = checkEvent(event as unknown as Json)
  assert.ok(checked.ok)
  return { seq: seq as Seq, bytes: bytesOf(checked.event, seq), signature: new Uint8Array(64) }
})

/** The topic of a follower that folded all entries, and the view after each of its steps. */
async function written(): Promise<{ topic: KafkaRecord[]; dumps: Map<number, string> }> {
  const store = memoryViews()
  const view = await StateView.open(store)
  const topic: KafkaRecord[] = []
  const dumps = new Map<number, string>()
  for (let n = 0; n < entries.length; n += stepEntries) {
    const some = entries.slice(n, n + stepEntries)
    const position = n + some.length - 1
    const { changes, committed } = view.step(ledger, some)
    const step = { ledger, position, version: stateVersion, changes }
    for (const record of stateRecords({ topic: 't', partition: 0 }, [step]))
      topic.push({ ...record, offset: topic.length, timestampMs: 0 })
    // The marker of the commit.
    topic.length += 1
    await store.commit(stateView, ledger, position, changes)
    committed(position)
    dumps.set(position, store.dump(stateView, ledger))
  }
  return { topic, dumps }
}
const { topic, dumps } = await written()
const end = topic.length

const between = (from: number, to: number): KafkaRecord[] =>
  topic.slice(from, to).filter(record => record !== undefined)
const isWhole = (store: ViewStore): boolean =>
  store.position(stateView, ledger) === -1 ||
  store.dump(stateView, ledger) === dumps.get(store.position(stateView, ledger))

const openCopy = (store: ViewStore, headOf = (_: string) => entries.length): StateCopy =>
  new StateCopy({ store, partitions: 1, headOf })

describe('the copy of the state topic', () => {
  it('reads what was there when it began into the store where memory is too small, and shows nothing of it before', async () => {
    for (const from of [0, Math.floor(end / 3)]) {
      for (const cut of [undefined, Math.floor(end / 2), end - 2]) {
        const store = memoryViews()
        const open = () => new StateCopy({ store, partitions: 1, headOf: () => entries.length, heldMax: 20 })
        let copy = open()
        copy.begin(0, 0)
        await copy.take(0, between(0, from), from)
        await copy.close()
        copy = open()
        const kept = copy.begin(0, end)
        for (let n = kept; n < (cut ?? end); n += 7) {
          const next = Math.min(n + 7, cut ?? end)
          await copy.take(0, between(n, next), next)
          if (next < end) assert.ok(copy.position(ledger) === -1 || isWhole(store), `at ${next} from ${from}`)
        }
        if (cut !== undefined) {
          assert.equal(copy.position(ledger), -1, 'nothing was put aside')
          // As after a kill: without a close.
          copy = open()
          assert.equal(copy.position(ledger), -1)
          const again = copy.begin(0, end)
          await copy.take(0, between(again, end), end)
        }
        assert.equal(copy.position(ledger), entries.length - 1)
        assert.equal(store.dump(stateView, ledger), dumps.get(entries.length - 1))
      }
    }
  })

  it('has whole steps only, however the records come', async () => {
    for (const size of [1, 3, 7, 50]) {
      const store = memoryViews()
      const copy = openCopy(store)
      copy.begin(0, 0)
      for (let n = 0; n < end; n += size) {
        await copy.take(0, between(n, n + size), Math.min(n + size, end))
        assert.ok(isWhole(store), `after ${n} by ${size}`)
      }
      assert.equal(copy.position(ledger), entries.length - 1)
      await copy.close()
    }
  })

  it('goes on after a crash from what was noted, or before, and takes no step twice', async () => {
    for (let cut = 5; cut < end; cut += 61) {
      const store = memoryViews()
      const first = openCopy(store)
      first.begin(0, 0)
      await first.take(0, between(0, cut), cut)
      // Not closed: what it has noted lags behind the rows.
      const before = store.position(stateView, ledger)
      const second = openCopy(store)
      const from = second.begin(0, 0)
      assert.ok(from <= cut)
      await second.take(0, between(from, Math.max(from, cut - 2)), Math.max(from, cut - 2))
      assert.ok(isWhole(store) && store.position(stateView, ledger) === before)
      await second.take(0, between(Math.max(from, cut - 2), end), end)
      assert.equal(store.dump(stateView, ledger), dumps.get(entries.length - 1))
      await second.close()
      const third = openCopy(store)
      assert.equal(third.begin(0, end), end)
      assert.deepEqual(third.at(ledger), { position: entries.length - 1, version: stateVersion })
      await first.close()
    }
  })

  it('shows nothing of a topic that was compacted in the middle of a step before it has read it to the end', async () => {
    let torn = 0
    for (let cut = 10; cut < end; cut += 13) {
      const newest = new Map(between(0, cut).map(({ key, offset }) => [key, offset]))
      const left = (from: number, to: number) =>
        between(from, to).filter(({ key, offset }) => offset >= cut || newest.get(key) === offset)
      const store = memoryViews()
      const copy = openCopy(store)
      copy.begin(0, end)
      const bold = memoryViews()
      const early = openCopy(bold)
      early.begin(0, 0)
      for (let n = 0; n < end; n += 5) {
        await copy.take(0, left(n, n + 5), Math.min(n + 5, end))
        assert.ok(isWhole(store), `compacted up to ${cut}, read up to ${n}`)
        await early.take(0, left(n, n + 5), Math.min(n + 5, end))
        if (!isWhole(bold)) torn += 1
      }
      for (const one of [store, bold]) assert.equal(one.dump(stateView, ledger), dumps.get(entries.length - 1))
      await copy.close()
      await early.close()
    }
    assert.ok(torn > 0, 'without that it would')
  })

  it('never has more than the replica beside it', async () => {
    const store = memoryViews()
    let head = 49
    const copy = openCopy(store, () => head)
    copy.begin(0, 0)
    const taking = copy.take(0, between(0, end), end)
    await sleep(50)
    assert.equal(store.position(stateView, ledger), 49)
    const waiting = copy.reached(ledger, 100, 5_000)
    head = entries.length
    await taking
    assert.equal(await waiting, true)
    assert.equal(await copy.reached(ledger, entries.length, 10), false)
    await copy.close()
  })

  it('ends while it waits for the replica', async () => {
    const copy = openCopy(memoryViews(), () => -1)
    copy.begin(0, 0)
    const taking = assert.rejects(copy.take(0, between(0, end), end), /is closed/)
    await copy.close()
    await taking
  })

  it('passes over steps of another version, and remembers whose they are', async () => {
    const store = memoryViews()
    const copy = new StateCopy({ store, partitions: 1, headOf: () => entries.length, version: stateVersion + 1 })
    copy.begin(0, 0)
    await copy.take(0, between(0, end), end)
    assert.equal(copy.position(ledger), -1)
    assert.deepEqual(copy.at(ledger), { position: entries.length - 1, version: stateVersion })
    await copy.close()
  })
})
