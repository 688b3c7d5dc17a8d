import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Head } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'
import { Child, done, opened } from './processes.ts'

describe('readers', () => {
  it('in another process see each batch once it is answered, whole, in order', async () => {
    const folder = newFolder()
    await (await openEmbedded(folder)).close()
    const reader = await openEmbeddedReader(folder)
    assert.equal(await reader.head('default'), undefined)
    const writer = new Child(folder, { countMax: 20 })
    let known: Head | undefined
    for (let n = 0; n < 60; n++) {
      const head = await writer.hears(said =>
        'head' in said && said.head.seq > (known?.seq ?? -1) ? said.head : undefined,
      )
      known = head
      const now = await reader.head('default')
      assert.ok(now !== undefined && now.seq >= head.seq, `answered ${head.seq}, seen ${now?.seq}`)
      const entries = await reader.read('default', 0, 100_000, Number.POSITIVE_INFINITY)
      assert.deepEqual(entries, batchAfter(undefined, { count: entries.length }).entries)
      assert.ok(entries.length > now.seq)
      assert.equal((await reader.find('default', batchAfter(undefined, { count: head.seq + 1 }).ids)).at(-1), head.seq)
    }
    await writer.kill()
    await reader.close()
    await assert.rejects(reader.head('default'), /closed/)
  })
  it('in the same process as the writer are no different', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    const reader = await openEmbeddedReader(folder, { deep: true })
    const batch = batchAfter(undefined, { count: 5 })
    await log.append(batch)
    assert.deepEqual(await reader.read('default', 0, 10), batch.entries)
    await reader.close()
    await log.append(batchAfter(batch.head))
    await log.close()
  })
  it('go on when the writer is gone, and when the next one comes', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    const first = batchAfter(undefined)
    await log.append(first)
    const reader = new Child(folder, { read: true })
    await reader.hears(said => (done(said) === 0 ? true : undefined))
    await log.close()
    const again = await openEmbedded(folder)
    await again.append(batchAfter(first.head, { count: 4 }))
    await reader.hears(said => (done(said) === 4 ? true : undefined))
    await again.close()
  })
  it('that were killed are forgotten, so that old pages are used again', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    await log.append(batchAfter(undefined, { count: 100 }))
    const readers = [1, 2, 3].map(() => new Child(folder, { read: true }))
    await Promise.all(readers.map(reader => reader.hears(opened)))
    assert.equal(log.clearReaders(), 0, 'they are alive')
    await sleep(50)
    await Promise.all(readers.map(reader => reader.kill()))
    assert.ok(log.clearReaders() >= 3)
    assert.equal(log.clearReaders(), 0)
    await log.close()
  })
})
