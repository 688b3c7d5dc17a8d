import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Head, LeafHash, Seq } from '../../src/ledger/entry.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { memoryLog } from '../../src/log/memory.ts'
import { type EventIdentity, NotWritten } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { allOf, type WholeLog } from './contract.ts'
import { newFolder } from './folders.ts'

const ledgers = ['a', 'a/b', 'a-b', 'z']
const ledger = fc.constantFrom(...ledgers)
const text = fc.oneof(
  fc.constantFrom('', 'x', 'y'),
  fc.string({ maxLength: 3, unit: 'binary' }),
  fc.integer({ min: 120, max: 1024 }).map(length => 'é'.repeat(length)),
)
/** Mostly new ones, at times one that may be there. */
const identity: fc.Arbitrary<EventIdentity> = fc.oneof(
  { arbitrary: fc.record({ source: text, id: text }), weight: 1 },
  { arbitrary: fc.record({ source: fc.constantFrom('s', 't'), id: fc.uuid({ version: 7 }) }), weight: 6 },
)
const step = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      ledger,
      ids: fc.array(identity, { minLength: 1, maxLength: 12 }),
      size: fc.constantFrom(20, 900, 5_000, 65_535),
      /** Where the batch is made to follow, away from the head. */
      off: fc.oneof(
        { arbitrary: fc.constant(0), weight: 9 },
        { arbitrary: fc.integer({ min: -2, max: 2 }), weight: 1 },
      ),
      otherHash: fc.oneof({ arbitrary: fc.constant(false), weight: 9 }, { arbitrary: fc.constant(true), weight: 1 }),
    }),
    weight: 6,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      ledger,
      from: fc.nat(40),
      limit: fc.nat(20),
      bytesMax: fc.constantFrom(0, 1_000, 100_000),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constant('find' as const), ledger, ids: fc.array(identity) }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant('record' as const),
      digest: fc.constantFrom('0', 'a').map(digit => digit.repeat(64)),
      bytes: fc.uint8Array({ maxLength: 9_000 }),
    }),
    weight: 1,
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What a step answers, refusals included. */
async function take(log: WholeLog, step: Step): Promise<unknown> {
  if (step.kind === 'read') return log.read(step.ledger, step.from, step.limit, step.bytesMax)
  if (step.kind === 'find') return log.find(step.ledger, step.ids)
  if (step.kind === 'record') {
    const before = await log.record(step.digest)
    await log.putRecord(step.digest, step.bytes)
    return { before, after: await log.record(step.digest) }
  }
  const head = await log.head(step.ledger)
  const follows: Head | undefined = head && {
    ...head,
    seq: (head.seq + step.off) as Seq,
    leafHash: step.otherHash ? ('0'.repeat(64) as LeafHash) : head.leafHash,
  }
  const from = (follows?.seq ?? -1) + 1
  const identityOf = (seq: number): EventIdentity => step.ids[seq - from] ?? { source: '', id: '' }
  const batch = batchAfter(follows, { ledger: step.ledger, count: step.ids.length, size: step.size, identityOf })
  try {
    await log.append(batch)
    return { head: batch.head, found: await log.find(step.ledger, batch.ids) }
  } catch (error) {
    assert.ok(error instanceof NotWritten, String(error))
    return error.reason
  }
}

describe('log adapters', () => {
  it('agree with memory on whatever is done, and after opening again', async () => {
    let appended = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const folder = newFolder()
        const memory = memoryLog()
        let embedded: WholeLog = await openEmbedded(folder)
        for (const [n, one] of steps.entries()) {
          const answer = await take(embedded, one)
          assert.deepEqual(answer, await take(memory, one))
          if (typeof answer === 'object' && one.kind === 'append') appended += 1
          if (n % 8 === 7) {
            await embedded.close()
            embedded = await openEmbedded(folder)
          }
        }
        assert.deepEqual(await allOf(embedded), await allOf(memory))
        await embedded.close()
      }),
      { numRuns: 25 },
    )
    // 40 to 71 in fourteen runs: enough of them are not refused to say something.
    assert.ok(appended > 15, `${appended} batches`)
  })
})
