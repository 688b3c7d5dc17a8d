import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Registry as Metrics } from 'prom-client'
import { Fault } from '../../../src/base/fault.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import type { Head } from '../../../src/ledger/entry.ts'
import { ledgerCreated, placeOwn } from '../../../src/ledger/own-events.ts'
import { keyIdOf } from '../../../src/ledger/signature.ts'
import type { TakenEvent } from '../../../src/log/intake.ts'
import type { KafkaRecord } from '../../../src/log/kafka/client.ts'
import { intakeRecord } from '../../../src/log/kafka/intake-record.ts'
import type { KafkaLog } from '../../../src/log/kafka/log.ts'
import type { Partition } from '../../../src/log/kafka/partition.ts'
import type { Step } from '../../../src/log/kafka/records.ts'
import type { Sender } from '../../../src/log/kafka/sender.ts'
import { memoryLog } from '../../../src/log/memory.ts'
import { clusterMetrics } from '../../../src/service/cluster/metrics.ts'
import { PartitionSequencer } from '../../../src/service/cluster/sequencer.ts'
import { signerOf } from '../../../src/service/signer.ts'

const seed = new Uint8Array(32).fill(5)
const publicKey = nodeSuite.publicKey(seed)
const keyId = keyIdOf(nodeSuite, publicKey)
const signer = signerOf(keyId, seed)
const intakeKey = new Uint8Array(32).fill(9)
const at = '2026-11-01T00:00:00.000Z'

const eventOf = (n: number): TakenEvent => ({
  ...{ source: 'urn:g', id: `e-${n}`, canonical: `{"id":"e-${n}"}`, takenAt: at },
  intake: { by: 'gateway', emitter_sig: 'absent', record_sig: 'not_a_record' },
})
const genesis = (ledger: string): TakenEvent => {
  const key = { keyId, publicHex: Buffer.from(publicKey).toString('hex') }
  return { ...placeOwn(ledgerCreated({ origin: `ledger.example/${ledger}`, at, ledger, key })), takenAt: at }
}

const metrics = () =>
  clusterMetrics(new Metrics(), {
    intakeLag: async () => new Map(),
    replicaLag: async () => new Map(),
    ledgerTopic: 'ledger',
  })

describe('the sequencer of a partition', () => {
  it('reads intake again for a ledger without its key only once there is one, and writes the others meanwhile', async () => {
    const held = memoryLog()
    const heads = new Map<string, Head>()
    const intake: KafkaRecord[] = []
    const put = (ledger: string, event: TakenEvent, isOwn = false): void => {
      const record = intakeRecord({ topic: 'intake', partition: 0 }, 'aep', intakeKey, {
        ledger,
        isOwn,
        events: [event],
      })
      intake.push({ ...record, offset: intake.length, timestampMs: Date.parse(at) })
    }
    let readFrom: number[] = []
    let placed = 0
    const missing = new Set<string>()
    const log = {
      ...{ topics: { intake: 'intake', dead: 'dead' }, pauseIntake() {}, client: { trim: async () => {} } },
      placed: () => placed,
      intakeBounds: async () => ({ low: 0, end: intake.length }),
      readIntake(_: number, offset: number) {
        readFrom.push(offset)
        void sequencer.offer(intake.slice(offset))
      },
      find: (...query: Parameters<typeof held.find>) => held.find(...query),
    } as unknown as KafkaLog
    const partition = {
      ...{ number: 0, isFenced: false, own: async () => {}, release: async () => {} },
      async write({ batches, intake }: Step) {
        for (const batch of batches) {
          await held.append(batch)
          heads.set(batch.ledger, batch.head)
        }
        if (intake !== undefined) placed = intake
      },
    } as unknown as Partition
    const sequencer = new PartitionSequencer({
      ...{ log, partition, prefix: 'aep', intakeKey, suite: nodeSuite, dead: {} as Sender },
      metrics: metrics(),
      logger: { info() {}, warn() {}, error() {} },
      headOf: ledger => heads.get(ledger),
      signerOf: ledger => {
        if (missing.has(ledger)) throw new Fault('log-unavailable', 'The key is not here.')
        return signer
      },
    })
    const seq = (ledger: string): number => heads.get(ledger)?.seq ?? -1
    const until = async (isSo: () => boolean): Promise<void> => {
      for (let tries = 0; !isSo(); tries++) {
        assert.ok(tries < 1_000, JSON.stringify([[...heads], placed, readFrom]))
        await sleep(10)
      }
    }
    const more = (ledger: string, n: number): void => {
      put(ledger, eventOf(n))
      void sequencer.offer(intake.slice(-1))
    }
    for (const ledger of ['a', 'b']) put(ledger, genesis(ledger), true)
    sequencer.loop.start()
    await until(() => seq('a') === 0 && seq('b') === 0)

    missing.add('a')
    more('a', 1)
    more('b', 2)
    await until(() => seq('b') === 1)
    assert.equal(placed, 2)
    readFrom = []
    // Longer than it takes to look for the key twice.
    const endMs = performance.now() + 7_000
    for (let n = 3; performance.now() < endMs; n++) {
      more(n % 2 === 0 ? 'a' : 'b', n)
      await sleep(50)
    }
    await until(() => seq('b') > 60)
    assert.deepEqual(readFrom, [])
    assert.deepEqual([seq('a'), placed], [0, 2])

    missing.clear()
    await until(() => placed === intake.length)
    assert.deepEqual(readFrom, [2])
    assert.equal(seq('a') + seq('b') + 2, intake.length)
    await sequencer.loop.stop()
  })

  it('writes nothing where intake ends before what was placed of it, and says so', async () => {
    const log = {
      ...{ topics: { intake: 'intake' }, pauseIntake() {}, placed: () => 50 },
      intakeBounds: async () => ({ low: 0, end: 7 }),
    } as unknown as KafkaLog
    const partition = {
      number: 0,
      isFenced: false,
      own: async () => {},
      release: async () => {},
    } as unknown as Partition
    const sequencer = new PartitionSequencer({
      ...{ log, partition, prefix: 'aep', intakeKey, suite: nodeSuite, dead: {} as Sender, metrics: metrics() },
      ...{ logger: { info() {}, warn() {}, error() {} }, headOf: () => undefined, signerOf: () => signer },
    })
    sequencer.loop.start()
    for (let tries = 0; sequencer.loop.trouble === undefined; tries++) {
      assert.ok(tries < 500)
      await sleep(10)
    }
    assert.match(sequencer.loop.trouble ?? '', /^intake\/0 ends at 7, and was placed up to 50/)
    await sequencer.loop.stop()
  })
})
