import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hex, textOf, utf8 } from '../../src/base/bytes.ts'
import { Fault, type FaultCode } from '../../src/base/fault.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf, type StoredEntry } from '../../src/ledger/entry.ts'
import { signingInput } from '../../src/ledger/signature.ts'
import type { Placement, TakenEvent } from '../../src/log/intake.ts'
import { memoryLog } from '../../src/log/memory.ts'
import { type AppendBatch, type LedgerLog, NotWritten, WriteUnknown } from '../../src/log/port.ts'
import { Sequencer, type SequencerOptions } from '../../src/service/sequencer.ts'
import { signerOf } from '../../src/service/signer.ts'

const seed = nodeSuite.sha256(utf8('sequencer test'))
const publicKey = nodeSuite.publicKey(seed)
const ledger = 'default'

const event = (id: string, says = 'allow'): TakenEvent => ({
  source: 'urn:test',
  id,
  canonical: `{"data":{"decision":"${says}"},"id":${JSON.stringify(id)},"source":"urn:test","specversion":"1.0","type":"aep.decision"}`,
  intake: { by: 'test', emitter_sig: 'absent', record_sig: 'not_a_record' },
  takenAt: '2026-11-01T00:00:00.000Z',
})

interface Rig {
  readonly sequencer: Sequencer
  readonly log: LedgerLog
  readonly conflicts: string[]
  readonly appended: number[]
}

/** A sequencer with one ledger, made by an entry of its own at seq 0. */
async function rig(options: Partial<SequencerOptions> = {}, log: LedgerLog = memoryLog()): Promise<Rig> {
  const conflicts: string[] = []
  const appended: number[] = []
  const sequencer = new Sequencer({
    log,
    suite: nodeSuite,
    signerOf: () => signerOf('0'.repeat(32), seed),
    heads: new Map(),
    queueEventsMax: 1000,
    batchEventsMax: 100,
    onAppended: (_, entries) => appended.push(entries.length),
    onConflict: (_, { id }, first) => conflicts.push(`${id}@${first}`),
    ...options,
  })
  await sequencer.submitOwn(ledger, [event('genesis')])
  return { sequencer, log, conflicts, appended }
}

const seqs = (placements: readonly Placement[]): string[] => placements.map(({ status, seq }) => `${status} ${seq}`)
const told = (placement: Extract<Placement, { signature: Uint8Array }>): object => ({
  ...placement,
  signature: hex(placement.signature),
})
const isFault =
  (code: FaultCode) =>
  (error: unknown): boolean =>
    error instanceof Fault && error.code === code

/** Ids in the log, by seq; checks links, places and signatures on the way. */
async function idsIn(log: LedgerLog): Promise<string[]> {
  const entries = await log.read(ledger, 0, 10_000)
  let prev = '0'.repeat(64)
  return entries.map(({ seq, bytes, signature }, n) => {
    const entry = JSON.parse(textOf(bytes) ?? '') as { seq: number; prev: string; event: { id: string } }
    assert.deepEqual([seq, entry.seq, entry.prev], [n, n, prev])
    assert.ok(nodeSuite.verify(publicKey, signingInput(bytes), signature))
    prev = leafHashOf(nodeSuite, bytes)
    return entry.event.id
  })
}

/** The memory log, whose next append does something else first. */
function faulty(
  inner: LedgerLog,
): LedgerLog & { next: ((batch: AppendBatch) => Promise<void>) | undefined; blind: number } {
  const log = {
    next: undefined as ((batch: AppendBatch) => Promise<void>) | undefined,
    blind: 0,
    append: (batch: AppendBatch) => {
      const special = log.next
      log.next = undefined
      return special ? special(batch) : inner.append(batch)
    },
    head: (name: string) => (log.blind-- > 0 ? Promise.reject(new Error('not now')) : inner.head(name)),
    ledgers: () => inner.ledgers(),
    read: (...query: Parameters<LedgerLog['read']>) => inner.read(...query),
    find: (...query: Parameters<LedgerLog['find']>) => inner.find(...query),
    record: (digest: string) => inner.record(digest),
    putRecord: (digest: string, bytes: Uint8Array) => inner.putRecord(digest, bytes),
    close: () => inner.close(),
  }
  return log
}

describe('the sequencer', () => {
  it('places events in the order they came, signed and linked, and answers with their receipts', async () => {
    const { sequencer, log } = await rig()
    const placements = await sequencer.submit(
      ledger,
      ['a', 'b', 'c'].map(id => event(id)),
    )
    assert.deepEqual(seqs(placements), ['created 1', 'created 2', 'created 3'])
    assert.deepEqual(await idsIn(log), ['genesis', 'a', 'b', 'c'])
    const [first] = placements
    const [stored] = await log.read(ledger, 1, 1)
    assert.ok(first?.status === 'created' && stored !== undefined)
    assert.equal(first.leafHash, leafHashOf(nodeSuite, stored.bytes))
    assert.equal(hex(first.signature), hex(stored.signature))
  })

  it('makes one write of what came together', async () => {
    const { sequencer, appended } = await rig()
    await Promise.all(['a', 'b', 'c', 'd'].map(id => sequencer.submit(ledger, [event(id)])))
    assert.deepEqual(appended, [1, 4])
  })

  it('cuts writes at the batch size but never a call', async () => {
    const { sequencer, appended } = await rig({ batchEventsMax: 3 })
    const five = ['a', 'b', 'c', 'd', 'e'].map(id => event(id))
    await Promise.all([
      sequencer.submit(ledger, five),
      sequencer.submit(ledger, [event('f')]),
      sequencer.submit(ledger, [event('g')]),
    ])
    assert.deepEqual(appended, [1, 5, 2])
  })

  it('answers a repeated event with its first receipt, in another call, in the same call and in the same batch', async () => {
    const { sequencer, log } = await rig()
    const [first] = await sequencer.submit(ledger, [event('a')])
    const [again] = await sequencer.submit(ledger, [event('a')])
    assert.ok(first?.status === 'created' && again?.status === 'duplicate')
    assert.deepEqual(told(again), { ...told(first), status: 'duplicate' })
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('b'), event('b')])), ['created 2', 'duplicate 2'])
    const together = await Promise.all([sequencer.submit(ledger, [event('c')]), sequencer.submit(ledger, [event('c')])])
    assert.deepEqual(together.map(seqs), [['created 3'], ['duplicate 3']])
    assert.deepEqual(await idsIn(log), ['genesis', 'a', 'b', 'c'])
  })

  it('names the entry that holds an identity when other content comes under it, and places nothing', async () => {
    const { sequencer, log, conflicts } = await rig()
    await sequencer.submit(ledger, [event('a')])
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('a', 'deny')])), ['conflict 1'])
    const mixed = await sequencer.submit(ledger, [event('b'), event('b', 'deny'), event('c')])
    assert.deepEqual(seqs(mixed), ['created 2', 'conflict 2', 'created 3'])
    assert.equal(mixed[1]?.leafHash, mixed[0]?.leafHash)
    assert.deepEqual(conflicts, ['a@1', 'b@2'])
    assert.deepEqual(await idsIn(log), ['genesis', 'a', 'b', 'c'])
  })

  it('keeps an entry of its own apart, so that what it changes holds for the next', async () => {
    const { sequencer, appended } = await rig()
    await Promise.all([
      sequencer.submit(ledger, [event('a')]),
      sequencer.submitOwn(ledger, [event('own')]),
      sequencer.submit(ledger, [event('b')]),
    ])
    assert.deepEqual(appended, [1, 1, 1, 1])
  })

  it('turns events away when too many wait, takes those that fit, and knows no ledger it was not told of', async () => {
    const { sequencer } = await rig({ queueEventsMax: 3 })
    const three = sequencer.submit(
      ledger,
      ['a', 'b', 'c'].map(id => event(id)),
    )
    await assert.rejects(sequencer.submit(ledger, [event('d')]), isFault('overloaded'))
    await three
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('d')])), ['created 4'])
    await assert.rejects(sequencer.submit('other', [event('e')]), isFault('ledger-unknown'))
  })

  it('finishes what it took when it is stopped, and takes nothing more', async () => {
    const { sequencer, log } = await rig()
    const taken = sequencer.submit(ledger, [event('a')])
    const stopped = sequencer.stop()
    await assert.rejects(sequencer.submit(ledger, [event('b')]), isFault('shutting-down'))
    await stopped
    assert.deepEqual(seqs(await taken), ['created 1'])
    assert.deepEqual(await idsIn(log), ['genesis', 'a'])
  })

  it('lets ledgers take turns', async () => {
    const order: string[] = []
    const { sequencer } = await rig({ batchEventsMax: 1, onAppended: name => order.push(name) })
    await sequencer.submitOwn('quiet', [event('genesis')])
    order.length = 0
    const busy = Array.from({ length: 5 }, (_, n) => sequencer.submit(ledger, [event(`busy-${n}`)]))
    await Promise.all([...busy, sequencer.submit('quiet', [event('q')])])
    assert.ok(order.indexOf('quiet') <= 1, order.join(' '))
  })

  it('places the same events in the same order whatever the cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
        async calls => {
          const { sequencer, log } = await rig({ batchEventsMax: 4 })
          const answers = await Promise.all(
            calls.map(ids =>
              sequencer.submit(
                ledger,
                ids.map(id => event(`e${id}`)),
              ),
            ),
          )
          const expected = [...new Set(calls.flat())].map(id => `e${id}`)
          assert.deepEqual((await idsIn(log)).slice(1), expected)
          for (const [call, ids] of calls.entries()) {
            assert.deepEqual(
              answers[call]?.map(({ seq }) => seq),
              ids.map(id => expected.indexOf(`e${id}`) + 1),
            )
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('the sequencer and a failing log', () => {
  it('answers 503 and loses nothing when nothing was written, and goes on', async () => {
    const log = faulty(memoryLog())
    const { sequencer } = await rig({}, log)
    log.next = () => Promise.reject(new NotWritten('full', 'no room'))
    await assert.rejects(sequencer.submit(ledger, [event('a')]), isFault('log-unavailable'))
    assert.match(sequencer.trouble ?? '', /full/)
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('a')])), ['created 1'])
    assert.equal(sequencer.trouble, undefined)
  })

  it('answers by reading back when nobody knows whether the batch was written: it was', async () => {
    const inner = memoryLog()
    const log = faulty(inner)
    const { sequencer } = await rig({}, log)
    log.next = async batch => {
      await inner.append(batch)
      log.blind = 2
      throw new WriteUnknown('the answer was lost')
    }
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('a')])), ['created 1'])
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('b')])), ['created 2'])
    assert.deepEqual(await idsIn(log), ['genesis', 'a', 'b'])
  })

  it('answers by reading back when nobody knows whether the batch was written: it was not', async () => {
    const log = faulty(memoryLog())
    const { sequencer } = await rig({}, log)
    log.next = () => Promise.reject(new WriteUnknown('the answer was lost'))
    await assert.rejects(sequencer.submit(ledger, [event('a')]), isFault('log-unavailable'))
    assert.deepEqual(seqs(await sequencer.submit(ledger, [event('a')])), ['created 1'])
  })

  it('waits as long as the log can’t say whether the batch is there, and shows it', async () => {
    const inner = memoryLog()
    const log = faulty(inner)
    const { sequencer } = await rig({}, log)
    log.next = async batch => {
      await inner.append(batch)
      log.blind = 5
      throw new WriteUnknown('the answer was lost')
    }
    const placing = sequencer.submit(ledger, [event('a')])
    while (!(log.blind > 0 && log.blind <= 3)) await new Promise(setImmediate)
    assert.match(sequencer.trouble ?? '', /can't say whether/)
    assert.deepEqual(seqs(await placing), ['created 1'])
    assert.equal(sequencer.trouble, undefined)
    assert.deepEqual(await idsIn(log), ['genesis', 'a'])
  })

  it('can be stopped while the log can’t say, and acknowledges nothing then', async () => {
    const log = faulty(memoryLog())
    const { sequencer } = await rig({}, log)
    log.next = () => {
      log.blind = Number.POSITIVE_INFINITY
      return Promise.reject(new WriteUnknown('the answer was lost'))
    }
    const placing = assert.rejects(sequencer.submit(ledger, [event('a')]), isFault('log-unavailable'))
    await sequencer.stop()
    await placing
  })

  it('stops for good when the log ends where nobody left it', async () => {
    const inner = memoryLog()
    const log = faulty(inner)
    const { sequencer } = await rig({}, log)
    log.next = async batch => {
      const [entry] = batch.entries as readonly [StoredEntry]
      const head = { ...batch.head, leafHash: 'f'.repeat(64) as typeof batch.head.leafHash }
      await inner.append({ ...batch, entries: [{ ...entry, bytes: utf8('{}') }], head })
      throw new WriteUnknown('somebody else was there')
    }
    await assert.rejects(sequencer.submit(ledger, [event('a')]), isFault('log-unavailable'))
    await assert.rejects(sequencer.submit(ledger, [event('b')]), isFault('log-unavailable'))
    assert.match(sequencer.trouble ?? '', /neither/)
  })
})
