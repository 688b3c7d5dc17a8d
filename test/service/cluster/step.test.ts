import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { Fault } from '../../../src/base/fault.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { type Head, leafHashOf } from '../../../src/ledger/entry.ts'
import { ledgerCreated, placeOwn } from '../../../src/ledger/own-events.ts'
import { keyIdOf } from '../../../src/ledger/signature.ts'
import type { TakenEvent } from '../../../src/log/intake.ts'
import type { PlacedBatch } from '../../../src/log/kafka/records.ts'
import { memoryLog } from '../../../src/log/memory.ts'
import type { LedgerLog } from '../../../src/log/port.ts'
import { makeStep, type PlacedJob, type StepOptions } from '../../../src/service/cluster/step.ts'
import { doubtOf } from '../../../src/service/cluster/vouch.ts'
import { evolveRegistered, nothingRegistered } from '../../../src/service/registry-rows.ts'
import { signerOf } from '../../../src/service/signer.ts'

const seed = new Uint8Array(32).fill(5)
const publicKey = nodeSuite.publicKey(seed)
const keyId = keyIdOf(nodeSuite, publicKey)
const signer = signerOf(keyId, seed)

const eventOf = (n: number, text = `{"id":"e-${n}"}`): TakenEvent => ({
  source: 'urn:g',
  id: `e-${n}`,
  canonical: text,
  intake: { by: 'gateway', emitter_sig: 'absent', record_sig: 'not_a_record' },
  takenAt: '2026-11-01T00:00:00.000Z',
})

const jobAt = (offset: number, ledger: string, events: readonly TakenEvent[], isOwn = false): PlacedJob => ({
  offset,
  job: { ledger, events, isOwn },
})

const genesis = (ledger: string): PlacedJob => {
  const key = { keyId, publicHex: Buffer.from(publicKey).toString('hex') }
  const created = ledgerCreated({ origin: `ledger.example/${ledger}`, at: '2026-11-01T00:00:00.000Z', ledger, key })
  return jobAt(0, ledger, [placeOwn(created)], true)
}

describe('a step of a partition', () => {
  let log: LedgerLog
  const heads = new Map<string, Head>()
  const options = (more: Partial<StepOptions> = {}): StepOptions => ({
    ...{ log, suite: nodeSuite, headOf: ledger => heads.get(ledger), signerOf: () => signer },
    ...more,
  })
  const keep = async (batches: readonly PlacedBatch[]): Promise<void> => {
    for (const batch of batches) {
      await log.append(batch)
      heads.set(batch.ledger, batch.head)
    }
  }
  before(async () => {
    log = memoryLog()
    for (const ledger of ['a', 'b']) await keep((await makeStep(options(), [genesis(ledger)])).batches)
  })

  it('is the same bytes and signatures when it is made again, however its jobs are cut', async () => {
    const jobs = [jobAt(1, 'a', [eventOf(1), eventOf(2)]), jobAt(2, 'b', [eventOf(3)]), jobAt(3, 'a', [eventOf(4)])]
    const whole = (await makeStep(options(), jobs)).batches
    assert.deepEqual((await makeStep(options(), jobs)).batches, whole)
    const own = new Map(heads)
    const entries = []
    for (const job of jobs.filter(({ job }) => job.ledger === 'a')) {
      const { batches } = await makeStep(options({ headOf: ledger => own.get(ledger) }), [job])
      for (const batch of batches) {
        own.set(batch.ledger, batch.head)
        entries.push(...batch.entries)
      }
    }
    assert.deepEqual(entries, whole.find(({ ledger }) => ledger === 'a')?.entries)
  })

  it('places an identity once, and says of each entry which record it came from', async () => {
    const first = jobAt(10, 'a', [eventOf(20), eventOf(21), eventOf(20, '{"id":"e-20","other":1}')])
    const again = jobAt(11, 'a', [eventOf(21), eventOf(22)])
    const { batches } = await makeStep(options(), [first, again])
    assert.deepEqual(
      batches.map(({ ids, origins }) => [ids.map(({ id }) => id), origins]),
      [
        [
          ['e-20', 'e-21', 'e-22'],
          [10, 10, 11],
        ],
      ],
    )
    await keep(batches)
    assert.deepEqual((await makeStep(options(), [first, again])).batches, [])
  })

  it('leaves a ledger whose key is not at hand where it is, and goes on with the others', async () => {
    const jobs = [jobAt(30, 'a', [eventOf(30)]), jobAt(31, 'b', [eventOf(31)]), jobAt(32, 'a', [eventOf(32)])]
    const { batches, stuck, nowhere } = await makeStep(
      options({
        signerOf: ledger => {
          if (ledger === 'a') throw new Fault('log-unavailable', 'no key')
          return signer
        },
      }),
      jobs,
    )
    assert.deepEqual(
      batches.map(({ ledger }) => ledger),
      ['b'],
    )
    assert.deepEqual(
      [...stuck].map(([ledger, { offset }]) => [ledger, offset]),
      [['a', 30]],
    )
    assert.deepEqual(nowhere, [])
  })

  it('takes nothing for a ledger that there is not, unless it is what makes it', async () => {
    const stray = jobAt(40, 'nowhere', [eventOf(40)])
    assert.deepEqual((await makeStep(options(), [stray])).nowhere, [stray])
    const { batches, nowhere } = await makeStep(options(), [genesis('new')])
    assert.deepEqual([batches[0]?.ledger, batches[0]?.head.seq, nowhere], ['new', 0, []])
  })

  describe('as another process sees it', () => {
    const history = async (ledger: string) => evolveRegistered(nothingRegistered, await log.read(ledger, 0, 100)).keys
    const batch = async (): Promise<PlacedBatch> => {
      const { batches } = await makeStep(options(), [jobAt(50, 'b', [eventOf(50), eventOf(51)])])
      const [one] = batches
      assert.ok(one)
      return one
    }

    it('is believed when it follows and is signed, and so is the first of a ledger', async () => {
      assert.equal(doubtOf(nodeSuite, await history('b'), await batch()), undefined)
      const [first] = (await makeStep(options(), [genesis('new')])).batches
      assert.ok(first)
      assert.equal(doubtOf(nodeSuite, nothingRegistered.keys, first), undefined)
    })

    it('is not believed with another byte anywhere, another head, link, signature or ledger', async () => {
      const one = await batch()
      const keys = await history('b')
      const doubt = (changed: Partial<PlacedBatch>) => doubtOf(nodeSuite, keys, { ...one, ...changed })
      for (const n of one.entries.keys()) {
        const { length } = one.entries[n]?.bytes ?? []
        for (let at = 0; at < (length ?? 0); at += 7) {
          const entries = one.entries.map((entry, m) => {
            const bytes = Uint8Array.from(entry.bytes)
            if (m === n) bytes[at] = (bytes[at] ?? 0) ^ 1
            return { ...entry, bytes }
          })
          assert.notEqual(doubt({ entries }), undefined, `byte ${at} of entry ${n}`)
        }
      }
      const [first, second] = one.entries
      assert.ok(first && second)
      assert.match(doubt({ after: { ...one.after, leafHash: leafHashOf(nodeSuite, first.bytes) } }) ?? '', /follow/)
      assert.match(doubt({ head: { ...one.head, leafHash: one.after.leafHash } }) ?? '', /head/)
      assert.match(doubt({ entries: [first, { ...second, signature: first.signature }] }) ?? '', /signed/)
      assert.match(doubt({ ledger: 'a' }) ?? '', /another entry/)
      assert.match(doubtOf(nodeSuite, nothingRegistered.keys, one) ?? '', /signed/)
    })
  })
})
