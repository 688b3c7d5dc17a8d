import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { utf8 } from '../../src/base/bytes.ts'
import type { Head, Seq } from '../../src/ledger/entry.ts'
import { emptyHead } from '../../src/ledger/seal.ts'
import type { ControlStore, TokenRecord } from '../../src/log/control.ts'
import { type AppendBatch, type LedgerLog, NotWritten } from '../../src/log/port.ts'
import { batchAfter, identity } from './batches.ts'

export type WholeLog = LedgerLog & ControlStore

export interface Adapter {
  /** A new and empty log. */
  make(): Promise<WholeLog>
  /** What `log` kept, opened again; absent where nothing is kept. */
  reopen?(log: WholeLog): Promise<WholeLog>
}

/** What every adapter of the log does, as the port says it. */
export function describeLog(name: string, adapter: Adapter): void {
  describe(`the ${name} log`, () => {
    let log: WholeLog
    let head: Head
    before(async () => {
      log = await adapter.make()
      head = await append(log, batchAfter(undefined, { count: 3 }))
      for (const count of [1, 100, 7]) head = await append(log, batchAfter(head, { count }))
    })
    after(() => log.close())

    it('knows its ledgers, sorted, and nothing of others', async () => {
      for (const ledger of ['zeta', 'acme/prod', 'acme/prod-2', 'a'])
        await append(log, batchAfter(undefined, { ledger }))
      assert.deepEqual(await log.ledgers(), ['a', 'acme/prod', 'acme/prod-2', 'default', 'zeta'])
      assert.equal(await log.head('acme'), undefined)
      assert.deepEqual(await log.read('acme', 0, 10), [])
      assert.deepEqual(await log.find('acme', [identity(0)]), [undefined])
      assert.equal((await log.head('acme/prod'))?.seq, 0)
    })
    it('gives back entries in order, whole, as they were', async () => {
      const expected = batchAfter(undefined, { count: 111 }).entries
      assert.deepEqual(await log.read('default', 0, 1000), expected)
      assert.deepEqual(await log.read('default', 50, 3), expected.slice(50, 53))
      assert.deepEqual(await log.head('default'), head)
    })
    it('reads up to a limit, a size, and the end', async () => {
      assert.equal((await log.read('default', 0, 10, 1)).length, 1, 'the first always')
      assert.equal((await log.read('default', 0, 10, 650)).length, 3)
      assert.equal((await log.read('default', 0, 0)).length, 0)
      assert.equal((await log.read('default', 110, 10)).length, 1)
      for (const from of [111, 2 ** 47, 2 ** 48 - 1, 2 ** 48, 2 ** 48 + 1, Number.MAX_SAFE_INTEGER])
        assert.equal((await log.read('default', from, 10)).length, 0, `${from}`)
      assert.deepEqual(
        (await log.read('default', -5, 2)).map(entry => entry.seq),
        [0, 1],
      )
    })
    it('keeps entries as they were given, whatever becomes of the caller’s bytes', async () => {
      const batch = batchAfter(undefined, { ledger: 'own' })
      const [kept] = batch.entries
      assert.ok(kept)
      const given = { seq: kept.seq, bytes: Buffer.from(kept.bytes), signature: Buffer.from(kept.signature) }
      await log.append({ ...batch, entries: [given] })
      given.bytes.fill(0)
      given.signature.fill(0)
      assert.deepEqual(await log.read('own', 0, 1), [kept])
      const record = Buffer.from('kept')
      await log.putRecord('1'.repeat(64), record)
      record.fill(0)
      assert.deepEqual(await log.record('1'.repeat(64)), utf8('kept'))
    })
    it('keeps an entry of 65,535 bytes', async () => {
      const batch = batchAfter(undefined, { ledger: 'large', size: 65_535, count: 3 })
      await log.append(batch)
      assert.deepEqual(await log.read('large', 0, 3), batch.entries)
    })
    it('refuses a batch that does not follow the head', async () => {
      const wrongSeq = batchAfter({ ...head, seq: (head.seq - 1) as Seq })
      const wrongHash = batchAfter({ ...head, leafHash: emptyHead.leafHash })
      const second = batchAfter(undefined)
      for (const batch of [wrongSeq, wrongHash, second]) await rejects(log.append(batch), 'head-moved')
      await rejects(log.append(batchAfter(head, { ledger: 'never-made' })), 'head-moved')
      assert.deepEqual(await log.head('default'), head)
      assert.equal(await log.head('never-made'), undefined)
      assert.equal((await log.read('default', head.seq + 1, 10)).length, 0)
    })
    it('refuses a batch that is none', async () => {
      const good = batchAfter(head, { count: 3 })
      const [first, second, third] = good.entries
      assert.ok(first && second && third)
      const bad: AppendBatch[] = [
        { ...good, entries: [], ids: [] },
        { ...good, entries: [first, third, second] },
        { ...good, entries: [first, second] },
        { ...good, ids: good.ids.slice(1) },
        { ...good, ids: [identity(9000), identity(9001), identity(9000)] },
        { ...good, head: { ...good.head, seq: (good.head.seq + 1) as Seq } },
        { ...good, entries: [first, second, { ...third, signature: new Uint8Array(63) }] },
        { ...good, ledger: '' },
        { ...good, ledger: 'x'.repeat(129) },
      ]
      for (const batch of bad) await rejects(log.append(batch), 'failed')
      assert.deepEqual(await log.head('default'), head)
      assert.deepEqual(await log.find('default', [identity(9000)]), [undefined])
    })
    it('gives an identity one seq for ever, and no batch another', async () => {
      const again = batchAfter(head, { count: 2, identityOf: seq => identity(seq === head.seq + 1 ? seq : 5) })
      await rejects(log.append(again), 'failed')
      const ids = [identity(5), identity(head.seq + 1), identity(110), identity(0)]
      assert.deepEqual(await log.find('default', ids), [5, undefined, 110, 0])
      assert.deepEqual(await log.head('default'), head)
    })
    it('appends what is sent at once in the order of the calls, ledger by ledger', async () => {
      const ledgers = ['at-once/1', 'at-once/2', 'at-once/3']
      const chains = ledgers.map(ledger => {
        const batches = [batchAfter(undefined, { ledger, count: 2 })]
        for (let n = 0; n < 10; n++) batches.push(batchAfter(batches.at(-1)?.head, { ledger, count: 3 }))
        return batches
      })
      const calls = chains[0]?.flatMap((_, n) => chains.flatMap(chain => chain[n] ?? [])) ?? []
      await Promise.all(calls.map(batch => log.append(batch)))
      for (const [n, ledger] of ledgers.entries()) {
        assert.deepEqual(
          await log.read(ledger, 0, 100),
          chains[n]?.flatMap(batch => batch.entries),
        )
      }
    })
    it('lets one of two batches for the same place in', async () => {
      const first = batchAfter(undefined, { ledger: 'twice', identityOf: () => identity(1) })
      const second = batchAfter(undefined, { ledger: 'twice', identityOf: () => identity(2) })
      const [one, two] = await Promise.allSettled([log.append(first), log.append(second)])
      assert.equal(one.status, 'fulfilled')
      assert.ok(two.status === 'rejected' && two.reason instanceof NotWritten && two.reason.reason === 'head-moved')
      assert.deepEqual(await log.find('twice', [identity(1), identity(2)]), [0, undefined])
    })
    it('tells identities apart, however long, and whatever is in them', async () => {
      await checkIdentities(log)
    })
    it('keeps records by their digest', async () => {
      const record = Buffer.alloc(3_000_000, 'record')
      const digest = createHash('sha256').update(record).digest('hex')
      assert.equal(await log.record(digest), undefined)
      await log.putRecord(digest, record)
      await log.putRecord(digest, record)
      assert.deepEqual(await log.record(digest), new Uint8Array(record))
      await log.putRecord('0'.repeat(64), new Uint8Array(0))
      assert.deepEqual(await log.record('0'.repeat(64)), new Uint8Array(0))
      await assert.rejects(log.putRecord(digest.toUpperCase(), record), RangeError)
      await assert.rejects(log.putRecord('00', record), RangeError)
      assert.equal(await log.record('no digest'), undefined)
    })
    it('keeps tokens, the newest under each id', async () => {
      assert.deepEqual(await log.tokens(), [])
      await log.putToken(token('b'))
      await log.putToken(token('a'))
      await log.putToken({ ...token('b'), revokedAt: '2026-02-01T00:00:00.000Z' })
      assert.deepEqual(await log.tokens(), [token('a'), { ...token('b'), revokedAt: '2026-02-01T00:00:00.000Z' }])
    })
    const { reopen } = adapter
    if (reopen !== undefined) {
      it('keeps all of it when it is opened again', async () => {
        const before = await allOf(log)
        log = await reopen(log)
        assert.deepEqual(await allOf(log), before)
        head = await append(log, batchAfter(head, { count: 2 }))
        assert.deepEqual(await log.head('default'), head)
      })
    }
    it('takes nothing more once it is closed', async () => {
      const closed = await adapter.make()
      const first = await append(closed, batchAfter(undefined))
      await Promise.all([closed.close(), closed.close()])
      await rejects(closed.append(batchAfter(first)), 'closed')
      await rejects(closed.putRecord('0'.repeat(64), new Uint8Array(1)), 'closed')
      await rejects(closed.putToken(token('a')), 'closed')
      await assert.rejects(closed.read('default', 0, 1), /closed/)
    })
  })
}

async function append(log: LedgerLog, batch: AppendBatch): Promise<Head> {
  await log.append(batch)
  return batch.head
}

const rejects = (promise: Promise<unknown>, reason: NotWritten['reason']): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof NotWritten, String(error))
    assert.equal(error.reason, reason, error.message)
    return true
  })

async function checkIdentities(log: LedgerLog): Promise<void> {
  const long = 'é'.repeat(1024)
  const ids = [
    { source: 'a', id: 'bc' },
    { source: 'ab', id: 'c' },
    { source: 'abc', id: '' },
    { source: '', id: 'abc' },
    { source: 'a\0', id: 'b' },
    { source: 'a', id: '\0b' },
    { source: long, id: long },
    { source: long, id: `${long.slice(1)}e` },
    { source: long.slice(1), id: long },
    { source: '\ud800', id: 'x' },
    { source: '\ufffd', id: 'x' },
    { source: 's'.repeat(128), id: 'i'.repeat(128) },
    { source: 's'.repeat(129), id: 'i'.repeat(128) },
    { source: 's'.repeat(128), id: 'i'.repeat(129) },
    { source: 's', id: '00000000-0000-7000-8000-000000000000' },
    { source: 's', id: '00000000-0000-7000-8000-000000000001' },
  ]
  const strangers = [
    { source: 'b', id: 'ac' },
    { source: long, id: long.slice(1) },
    { source: 'S', id: '00000000-0000-7000-8000-000000000000' },
    { source: '\udc00', id: 'x' },
  ]
  const identityOf = (seq: number): { source: string; id: string } => ids[seq] ?? { source: '', id: '' }
  await log.append(batchAfter(undefined, { ledger: 'ids', count: ids.length, identityOf }))
  const found = await log.find('ids', [...ids, ...strangers])
  assert.deepEqual(found, [...ids.keys(), ...strangers.map(() => undefined)])
}

const token = (id: string): TokenRecord => ({
  id,
  label: `token ${id}`,
  sha256: '0'.repeat(64),
  role: 'emit',
  ledgers: ['*'],
  sources: [],
  createdAt: '2026-01-01T00:00:00.000Z',
})

/** Everything that a log tells of itself. */
export async function allOf(log: WholeLog): Promise<unknown> {
  const names = await log.ledgers()
  const heads = await Promise.all(names.map(name => log.head(name)))
  const entries = await Promise.all(names.map(name => log.read(name, 0, 100_000, Number.POSITIVE_INFINITY)))
  return { names, heads, entries, tokens: await log.tokens() }
}
