import assert from 'node:assert/strict'
import { chmodSync, chownSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { NotWritten } from '../../src/log/port.ts'
import { mountDisk, noMount, unmountDisk } from '../infra/disks.ts'
import { batchAfter } from './batches.ts'
import type { Said } from './child.ts'
import { newFolder } from './folders.ts'
import { Child, done, failed, missing, run } from './processes.ts'

const mounted: string[] = []
afterEach(() => {
  for (const folder of mounted.splice(0)) unmountDisk(folder)
})

/** A disk of its own, of this size. */
function newDisk(bytes: number): string {
  const folder = newFolder()
  mountDisk(folder, bytes)
  mounted.push(folder)
  return folder
}

const isRoot = process.getuid?.() === 0
const someone = 65_534

const notWritten = (reason: NotWritten['reason'], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof NotWritten, String(error))
  assert.equal(error.reason, reason)
  assert.match(error.message, message)
  return true
}

/** Every head that was said is in the log; the one after it may be, for the process was killed between the two. */
async function checkAgainst(dir: string, said: readonly Said[]): Promise<void> {
  const heads = said.flatMap(one => ('head' in one ? [one.head] : []))
  const log = await openEmbedded(dir, { spareBytes: 0 })
  const head = await log.head('default')
  const last = heads.at(-1)
  assert.ok(head !== undefined && last !== undefined && head.seq >= last.seq)
  if (head.seq === last.seq) assert.deepEqual(head, last)
  else assert.ok(head.seq - last.seq <= filling.countMax, 'no more than the batch that was under way')
  const entries = await log.read('default', 0, 1_000_000, Number.POSITIVE_INFINITY)
  assert.deepEqual(
    entries.map(entry => entry.seq),
    entries.map((_, n) => n),
  )
  assert.equal(entries.length, 1 + head.seq)
  await log.close()
}

/** Waits until `child` meets a full disk, makes room, and waits until it writes again. */
async function fillAndGoOn(child: Child, makeRoom: () => void): Promise<void> {
  const refusal = await child.hears(failed)
  assert.equal(refusal.reason, 'full', refusal.message)
  assert.match(refusal.message, /full disk .*no restart is needed/)
  const before = child.said.slice(0, child.said.indexOf(refusal)).flatMap(one => ('head' in one ? [one.head.seq] : []))
  assert.equal(refusal.headNow, before.at(-1), 'what was refused is not there')
  assert.ok(before.length > 0)
  makeRoom()
  await child.hears(said => ('head' in said && said.head.seq > (before.at(-1) ?? 0) + 20 ? true : undefined))
  await child.kill()
}

const filling = { countMax: 10, size: 5_000, retries: 1_000, spareBytes: 0 }

describe('a log whose disk is full', () => {
  it('says so, loses nothing, and goes on when there is room again', { skip: noMount }, async () => {
    const disk = newDisk(24 << 20)
    writeFileSync(join(disk, 'filler'), Buffer.alloc(16 << 20))
    const child = new Child(join(disk, 'data'), filling)
    await fillAndGoOn(child, () => rmSync(join(disk, 'filler')))
    await checkAgainst(join(disk, 'data'), child.said)
  })
  it('does the same at a limit of file size', { skip: missing('prlimit', '--version') }, async () => {
    const folder = newFolder()
    const child = new Child(folder, filling, ['prlimit', '--fsize=6000000:'])
    await fillAndGoOn(child, () => {
      run('prlimit', '--pid', String(child.process.pid), '--fsize=unlimited:')
    })
    await checkAgainst(folder, child.said)
  })
  it('leaves some room to others', { skip: noMount }, async () => {
    const log = await openEmbedded(newDisk(20 << 20))
    let head = batchAfter(undefined).head
    await log.append(batchAfter(undefined))
    const fill = async (): Promise<void> => {
      for (;;) {
        const batch = batchAfter(head, { count: 50, size: 5_000 })
        await log.append(batch)
        head = batch.head
      }
    }
    await assert.rejects(fill(), notWritten('full', /full disk/))
    const record = new Uint8Array(4 << 20)
    await assert.rejects(log.putRecord('ab'.repeat(32), record), notWritten('full', /full disk/))
    assert.equal(await log.record('ab'.repeat(32)), undefined)
    assert.deepEqual(await log.head('default'), head)
    await log.close()
  })
  it('is not made on a disk without room, and is later', { skip: noMount }, async () => {
    const disk = newDisk(9 << 20)
    writeFileSync(join(disk, 'filler'), Buffer.alloc(8 << 20))
    await assert.rejects(openEmbedded(disk), notWritten('full', /full/))
    await assert.rejects(openEmbedded(disk, { spareBytes: 0 }), notWritten('full', /full/))
    rmSync(join(disk, 'filler'))
    const log = await openEmbedded(disk, { spareBytes: 0 })
    await log.append(batchAfter(undefined))
    await log.close()
  })
})

describe('a log at the size that it may have', () => {
  it('says so, and goes on under a larger one', async () => {
    const folder = newFolder()
    const small = await openEmbedded(folder, { bytesMax: 3 << 20 })
    let head = batchAfter(undefined).head
    await small.append(batchAfter(undefined))
    const fill = async (): Promise<void> => {
      for (;;) {
        const batch = batchAfter(head, { count: 10, size: 5_000 })
        await small.append(batch)
        head = batch.head
      }
    }
    await assert.rejects(fill(), notWritten('full', /may grow to 3145728 bytes .*Raise its limit/))
    assert.ok(head.seq > 100)
    assert.deepEqual(await small.head('default'), head)
    await small.close()
    assert.ok(statSync(join(folder, 'log/data.mdb')).size <= 4 << 20)
    const larger = await openEmbedded(folder, { bytesMax: 6 << 20 })
    await larger.append(batchAfter(head, { count: 10, size: 5_000 }))
    await larger.close()
  })
  it('needs the address space to map it', { skip: missing('prlimit', '--version') }, async () => {
    const folder = newFolder()
    const some = new Child(folder, { batches: 3, end: true }, ['prlimit', '--as=20000000000'])
    assert.equal(await some.hears(done).catch(() => some.errors), 2)
    const none = new Child(folder, { batches: 3, end: true }, ['prlimit', '--as=2300000000'])
    const refusal = await none.hears(failed).catch(() => assert.fail(none.errors))
    assert.match(refusal.message, /bytes of address space/)
  })
})

describe('a log that may not be written', () => {
  const user = isRoot ? { uid: someone } : {}
  const own = (path: string, mode: number): void => {
    if (isRoot) chownSync(path, someone, someone)
    chmodSync(path, mode)
  }
  const take = (path: string, mode: number): void => {
    if (isRoot) chownSync(path, 0, 0)
    chmodSync(path, mode)
  }
  const allow = (folder: string): void => {
    for (const path of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
      own(join(folder, path), 0o700)
  }

  it('is not made in a folder that is read-only', async () => {
    const folder = newFolder()
    take(folder, 0o555)
    const refusal = await new Child(folder, { batches: 1, ...user }).hears(failed)
    assert.equal(refusal.reason, 'read-only', refusal.message)
    assert.match(refusal.message, /Give the permission/)
    chmodSync(folder, 0o700)
  })
  it('is not opened for writing when its files are another’s', async () => {
    const folder = newFolder()
    await (await openEmbedded(folder)).close()
    for (const path of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
      take(join(folder, path), 0o555)
    const writer = await new Child(folder, { batches: 1, ...user }).hears(failed)
    assert.equal(writer.reason, 'read-only', writer.message)
    const reader = await new Child(folder, { read: true, ...user }).hears(failed)
    assert.equal(reader.failed, 'LogUnreadable', reader.message)
    assert.match(reader.message, /EACCES/)
    for (const path of ['log', 'views', '']) chmodSync(join(folder, path), 0o700)
  })
  it('says so when it becomes so, loses nothing, and goes on when it may again', async () => {
    const folder = newFolder()
    await (await openEmbedded(folder)).close()
    allow(folder)
    const child = new Child(folder, { ...filling, ...user })
    await child.hears(said => ('head' in said ? said : undefined))
    take(join(folder, 'log/data.mdb'), 0o444)
    const refusal = await child.hears(failed)
    assert.equal(refusal.reason, 'read-only', refusal.message)
    assert.match(refusal.message, /no restart is needed/)
    own(join(folder, 'log/data.mdb'), 0o600)
    const seq = refusal.headNow ?? 0
    await child.hears(said => ('head' in said && said.head.seq > seq ? true : undefined))
    await child.kill()
    await checkAgainst(folder, child.said)
  })
  it('is read where nobody can write', { skip: noMount }, async () => {
    const disk = newDisk(64 << 20)
    const log = await openEmbedded(disk)
    const batch = batchAfter(undefined, { count: 10 })
    await log.append(batch)
    await log.close()
    run('mount', '-o', 'remount,ro', disk)
    await assert.rejects(openEmbedded(disk), notWritten('read-only', /permission/))
    const reader = await openEmbeddedReader(disk, { deep: true })
    assert.deepEqual(await reader.read('default', 0, 10), batch.entries)
    await reader.close()
  })
})
