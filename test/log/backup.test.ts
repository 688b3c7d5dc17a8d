import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'
import { Child } from './processes.ts'

/** What stands in a backup is the beginning of what was written, whole, and can be written on. Gives its last seq. */
async function checkBackup(folder: string): Promise<number> {
  const log = await openEmbedded(folder)
  const head = await log.head('default')
  assert.ok(head)
  const entries = await log.read('default', 0, 1_000_000, Number.POSITIVE_INFINITY)
  const expected = batchAfter(undefined, { count: head.seq + 1, size: 900 })
  assert.deepEqual(entries, expected.entries)
  assert.deepEqual(head, expected.head)
  assert.deepEqual(await log.find('default', expected.ids), [...expected.ids.keys()])
  await log.append(batchAfter(head, { count: 3 }))
  await log.close()
  return head.seq
}

describe('a backup', () => {
  it('taken while the log is written holds all that was answered before it, and writing goes on', async () => {
    const dir = newFolder()
    const log = await openEmbedded(dir)
    let head = batchAfter(undefined, { count: 2_000, size: 900 }).head
    await log.append(batchAfter(undefined, { count: 2_000, size: 900 }))
    await log.putToken({ id: 'a', label: 'a', sha256: '', role: 'admin', ledgers: [], sources: [], createdAt: '' })
    await log.putRecord('ab'.repeat(32), new Uint8Array(50_000))
    let writing = true
    const writer = (async () => {
      while (writing) {
        const batch = batchAfter(head, { count: 30, size: 900 })
        await log.append(batch)
        head = batch.head
      }
    })()
    for (let n = 0; n < 3; n++) {
      const target = join(newFolder(), 'backup')
      const before = head.seq
      await log.backup(target)
      const seq = await checkBackup(target)
      assert.ok(seq >= before && seq <= head.seq, `${before} <= ${seq} <= ${head.seq}`)
      const copy = await openEmbeddedReader(target)
      assert.equal((await copy.record('ab'.repeat(32)))?.length, 50_000)
      await copy.close()
    }
    writing = false
    await writer
    await log.close()
  })
  it('can be taken by another process than the one that writes', async () => {
    const dir = newFolder()
    await (await openEmbedded(dir)).close()
    const writer = new Child(dir, { countMax: 20, size: 900 })
    const head = await writer.hears(said => ('head' in said && said.head.seq > 300 ? said.head : undefined))
    const reader = await openEmbeddedReader(dir)
    const target = join(newFolder(), 'backup')
    await reader.backup(target)
    await reader.close()
    const last = writer.said.at(-1)
    await writer.hears(said =>
      'head' in said && last && 'head' in last && said.head.seq > last.head.seq ? true : undefined,
    )
    await writer.kill()
    assert.ok((await checkBackup(target)) >= head.seq)
  })
  it('goes into a new or empty folder only', async () => {
    const log = await openEmbedded(newFolder())
    await log.append(batchAfter(undefined, { size: 900 }))
    const used = newFolder()
    writeFileSync(join(used, 'notes'), '')
    await assert.rejects(log.backup(used), /not empty/)
    const empty = join(newFolder(), 'a/b')
    mkdirSync(empty, { recursive: true })
    await log.backup(empty)
    await assert.rejects(log.backup(empty), /not empty/)
    assert.equal(await checkBackup(empty), 0)
    await log.close()
  })
})
