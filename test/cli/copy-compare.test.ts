import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compare, readBack } from '../../src/cli/copy/compare.ts'
import { copyLedger } from '../../src/cli/copy/ledger.ts'
import type { OpenSource } from '../../src/cli/source/open.ts'
import { recordMark } from '../../src/ledger/kept-record.ts'
import { memoryLog } from '../../src/log/memory.ts'
import { judgeHere } from '../../src/verify/judge.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, ledgerName, pinOf, sealed, sourceOf, suite, trust } from '../verify/support.ts'

const record = new TextEncoder().encode('{"schema_version":"aep/v0.1"}')
const digest = suite.sha256Hex(record)
const naming = {
  ...decision(9, { type: 'aep.record', data: { record_digest: digest, record_length: record.length } }),
  intake: { record_sig: 'absent' as const },
}
const entries = sealed([created(), decision(1), naming, ...[3, 4, 5].map(n => decision(n))])
const mark = recordMark(suite, ledgerName, digest)
const beside = new Map([
  [digest, record],
  [mark.key, mark.value],
])
const reading = (these: readonly SourceEntry[], more: Partial<OpenSource> = {}): OpenSource =>
  sourceOf(these, { record: async name => beside.get(name), ...more }, 2)
const unread = (): void => undefined
const flipped = (part: 'bytes' | 'signature', n: number): SourceEntry[] =>
  entries.map((entry, m) => (m === n ? { ...entry, [part]: entry[part].with(9, (entry[part][9] ?? 0) ^ 1) } : entry))

describe('two readings of a ledger', () => {
  const partingOf = async (these: readonly SourceEntry[]) => (await compare(reading(entries), reading(these))).parting

  it('are the same where every entry and signature is', async () => {
    assert.deepEqual(await compare(reading(entries), reading(entries)), { same: 6 })
  })
  it('part at the first entry that differs by a bit, in its bytes or in its signature', async () => {
    assert.deepEqual(await partingOf(flipped('bytes', 4)), { seq: 4, what: 'entry' })
    assert.deepEqual(await partingOf(flipped('signature', 3)), { seq: 3, what: 'entry' })
  })
  it('part where one of them ends', async () => {
    assert.deepEqual(await partingOf(entries.slice(0, 2)), { seq: 2, what: 'target-ends' })
    assert.deepEqual(await partingOf([...entries, ...entries.slice(0, 1)].map(({ seq: _, ...rest }) => rest)), {
      seq: 6,
      what: 'source-ends',
    })
  })
})

describe('a copy that is read back', () => {
  const head = pinOf(entries[5])
  const partingOf = async (target: OpenSource, count = 6) =>
    (await readBack(reading(entries), target, count, unread)).parting

  it('is as it should be with its entries, its head and its records', async () => {
    assert.equal(await partingOf(reading(entries, { head })), undefined)
    assert.equal(await partingOf(reading(entries.slice(0, 4), { head: pinOf(entries[3]) }), 4), undefined)
  })
  it('is not, where it has more entries than were copied, or fewer', async () => {
    assert.deepEqual(await partingOf(reading(entries), 5), { seq: 5, what: 'source-ends' })
    assert.deepEqual(await partingOf(reading(entries.slice(0, 5))), { seq: 5, what: 'target-ends' })
  })
  it('is not, where its store names another head', async () => {
    assert.deepEqual(await partingOf(reading(entries, { head: pinOf(entries[4]) })), { seq: 4, what: 'head' })
    const other = { ...head, leafHash: '0'.repeat(64) }
    assert.deepEqual(await partingOf(reading(entries, { head: other })), { seq: 5, what: 'head' })
  })
  it('is not, where a record that an entry names is missing, changed, or without the mark of its ledger', async () => {
    const changes: readonly (readonly [string, Uint8Array | undefined])[] = [
      [digest, undefined],
      [digest, record.with(3, 0)],
      [mark.key, undefined],
    ]
    for (const [name, bytes] of changes) {
      const record = async (asked: string) => (asked === name ? bytes : beside.get(asked))
      assert.deepEqual(await partingOf(reading(entries, { record })), { seq: 2, what: 'record' })
    }
  })
})

describe('a ledger that is copied', () => {
  const options = {
    trust,
    judge: judgeHere(suite),
    requireVerified: false,
    cancelled: new AbortController().signal,
    onProgress: unread,
  }

  it('has a record there before the entry that names it', async () => {
    const log = memoryLog()
    const append = log.append.bind(log)
    const seen: boolean[] = []
    log.append = async batch => {
      if (batch.entries.some(({ seq }) => seq === 2)) seen.push((await log.record(digest)) !== undefined)
      await append(batch)
    }
    const copied = await copyLedger(reading(entries), log, options)
    assert.deepEqual([copied.verdict, copied.copied, copied.records], ['verified', 6, 1])
    assert.deepEqual(seen, [true])
    assert.deepEqual(await log.record(mark.key), mark.value)
    assert.deepEqual(await log.find(ledgerName, [{ source: 'urn:gateway:one', id: 'event-4' }]), [4])
  })

  it('ends before an entry that fails, wherever that is, and never has one more', async () => {
    for (let bad = 0; bad < entries.length; bad++) {
      const log = memoryLog()
      const copied = await copyLedger(reading(flipped('signature', bad)), log, options)
      assert.deepEqual([copied.verdict, copied.stopped?.seq, copied.copied], ['tampered', bad, bad])
      assert.equal((await log.read(ledgerName, 0, 10)).length, bad)
    }
  })

  it('ends before a hole, and before an entry whose record is gone', async () => {
    const log = memoryLog()
    const hole = await copyLedger(reading(entries.filter((_, n) => n !== 3)), log, options)
    assert.deepEqual([hole.stopped?.code, hole.stopped?.seq, hole.copied], ['seq-gap', 3, 3])
    const gone = await copyLedger(reading(entries, { record: async () => undefined }), memoryLog(), options)
    assert.deepEqual([gone.stopped?.code, gone.stopped?.seq, gone.copied], ['record-missing', 2, 2])
  })

  it('ends with the last entry that its store’s own head covers', async () => {
    const headFault = { seq: 4, remark: { code: 'source-head', cause: 'more' } } as const
    const copied = await copyLedger(reading(entries, { headFault }), memoryLog(), options)
    assert.deepEqual([copied.verdict, copied.copied], ['tampered', 4])
  })
})
