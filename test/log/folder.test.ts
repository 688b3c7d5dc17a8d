import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import type { Head } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { LogUnreadable } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { flipAfter, newFolder, overwrite } from './folders.ts'

/** A finished log with 400 entries, a record and a view. */
const model = newFolder()
let head: Head

before(async () => {
  const log = await openEmbedded(model)
  const batch = batchAfter(undefined, { count: 400, size: 900 })
  await log.append(batch)
  head = batch.head
  await log.putRecord('ab'.repeat(32), new Uint8Array(200_000))
  await log.views.commit('view', 'default', 3, [{ key: 'a', value: new Uint8Array(1) }])
  await log.close()
})

/** A copy of the model, changed. */
function copy(change: (folder: string) => void): string {
  const folder = newFolder()
  cpSync(model, folder, { recursive: true })
  change(folder)
  return folder
}

const unreadable = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LogUnreadable, String(error))
  assert.match(error.message, pattern)
  return true
}

async function isRefused(folder: string, pattern: RegExp): Promise<void> {
  const before = contents(folder)
  await assert.rejects(openEmbedded(folder), unreadable(pattern))
  await assert.rejects(openEmbeddedReader(folder), unreadable(pattern))
  assert.deepEqual(contents(folder), before, 'and nothing that was there has changed')
}

/** Files and sizes, but for those that locks are made of. */
const contents = (folder: string): unknown =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => !/(writer|lock)\.\w+$/.test(path))
    .map(path => [path, statSync(join(folder, path)).size])

async function isWhole(folder: string): Promise<void> {
  const log = await openEmbedded(folder)
  assert.deepEqual(await log.head('default'), head)
  await log.append(batchAfter(head))
  await log.close()
}

describe('a data folder', () => {
  it('is made where there is none, for its owner alone', async () => {
    const folder = join(newFolder(), 'deep/down')
    await assert.rejects(openEmbeddedReader(folder), unreadable(/There is no log in/))
    assert.equal(existsSync(folder), false)
    await (await openEmbedded(folder)).close()
    assert.equal(statSync(join(folder, 'log')).mode & 0o777, 0o700)
    assert.equal(statSync(join(folder, 'log/data.mdb')).mode & 0o777, 0o600)
  })
  it('may have other things beside log and views', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'admin.token'), 'secret')
    await (await openEmbedded(folder)).close()
  })
  it('is left alone when it holds something else', async () => {
    await isRefused(
      copy(folder => {
        rmSync(join(folder, 'log'), { recursive: true })
        mkdirSync(join(folder, 'log'))
        writeFileSync(join(folder, 'log/notes.txt'), 'mine')
      }),
      /holds notes\.txt and no log/,
    )
    const file = newFolder()
    writeFileSync(join(file, 'log'), 'a file')
    await assert.rejects(openEmbeddedReader(file), LogUnreadable)
    await assert.rejects(openEmbedded(file))
  })
  for (const [what, marker, pattern] of [
    [
      'of a newer format',
      '{"format":"aep-ledger log","version":2}',
      /has format 2; this version reads 1\. Start the version/,
    ],
    ['of an older format', '{"format":"aep-ledger log","version":0}', /has format 0; .*Upgrade it/],
    ['of another program', '{"format":"other","version":1}', /is not that of a log/],
    ['with a marker that is cut off', '{"format":"aep-', /is not that of a log/],
    ['with an empty marker', '', /is not that of a log/],
  ] as const) {
    it(`is left alone when it is one ${what}`, () =>
      isRefused(
        copy(folder => writeFileSync(join(folder, 'log/format.json'), marker)),
        pattern,
      ))
  }
  it('is left alone when it lost its marker, but not its entries', async () => {
    const folder = copy(folder => rmSync(join(folder, 'log/format.json')))
    await assert.rejects(openEmbedded(folder), unreadable(/has lost its format\.json/))
    await assert.rejects(openEmbedded(folder), unreadable(/has lost its format\.json/))
  })
  it('is not made anew when its data file is gone', async () => {
    await isRefused(
      copy(folder => rmSync(join(folder, 'log/data.mdb'))),
      /has lost its data\.mdb/,
    )
    await isRefused(
      copy(folder => truncateSync(join(folder, 'log/data.mdb'))),
      /has lost its data\.mdb/,
    )
  })
})

describe('a data folder whose making was cut off', () => {
  const beginnings: [string, (log: string) => void][] = [
    ['before anything', () => {}],
    ['after the lock', log => writeFileSync(join(log, 'writer.lock'), '')],
    ['after the data file was created', log => writeFileSync(join(log, 'data.mdb'), '')],
    ['within the first page', log => writeFileSync(join(log, 'data.mdb'), Buffer.alloc(4_000, 1))],
    [
      'after the first pages',
      log => {
        cpSync(join(model, 'log/data.mdb'), join(log, 'data.mdb'))
        truncateSync(join(log, 'data.mdb'), 8_192)
      },
    ],
    ['while it tried the disk out', log => writeFileSync(join(log, 'data.mdb.try'), Buffer.alloc(100_000))],
    ['before the marker was renamed', log => writeFileSync(join(log, 'format.json.new'), '{"form')],
  ]
  for (const [when, begin] of beginnings) {
    it(`${when}, is finished the next time`, async () => {
      const folder = newFolder()
      mkdirSync(join(folder, 'log'))
      begin(join(folder, 'log'))
      await assert.rejects(openEmbeddedReader(folder), unreadable(/was never finished/))
      const log = await openEmbedded(folder)
      const batch = batchAfter(undefined)
      await log.append(batch)
      await log.close()
      const again = await openEmbedded(folder)
      assert.deepEqual(await again.head('default'), batch.head)
      await again.close()
    })
  }
  it('after its stores were made, is finished the next time', async () => {
    const folder = newFolder()
    await (await openEmbedded(folder)).close()
    rmSync(join(folder, 'log/format.json'))
    const log = await openEmbedded(folder)
    await log.append(batchAfter(undefined))
    await log.close()
  })
})

describe('a damaged data file', () => {
  const data = (folder: string): string => join(folder, 'log/data.mdb')

  it('that was cut short is refused, at whatever page', async () => {
    // The pages after the last that is used are room taken in advance.
    for (const pages of [2, 3, 10, 50, 100]) {
      await isRefused(
        copy(folder => truncateSync(data(folder), pages * 4_096)),
        /damaged/,
      )
    }
  })
  it('that begins with garbage is refused', async () => {
    await isRefused(
      copy(folder => overwrite(data(folder), 0, 100)),
      /first page/,
    )
    await isRefused(
      copy(folder => overwrite(data(folder), 4_096, 100)),
      /second page/,
    )
    await isRefused(
      copy(folder => writeFileSync(data(folder), Buffer.alloc(50_000, 7))),
      /first page/,
    )
  })
  it('that does not end where a head says is refused for writing, and read as it is', async () => {
    const folder = copy(folder => flipAfter(data(folder), 'default 399 '))
    await assert.rejects(openEmbedded(folder), unreadable(/does not end at seq 399/))
    const reader = await openEmbeddedReader(folder, { deep: true })
    assert.equal((await reader.read('default', 399, 1)).length, 1)
    await reader.close()
  })
  it('of the views is thrown away, and only that', async () => {
    for (const change of [
      (folder: string) => rmSync(join(folder, 'views'), { recursive: true }),
      (folder: string) => truncateSync(join(folder, 'views/data.mdb'), 3 * 8_192),
      (folder: string) => overwrite(join(folder, 'views/data.mdb'), 0, 10_000),
      (folder: string) => writeFileSync(join(folder, 'views/data.mdb'), ''),
    ]) {
      const folder = copy(change)
      const log = await openEmbedded(folder)
      assert.equal(log.views.position('view', 'default'), -1)
      await log.close()
      await isWhole(folder)
    }
    const log = await openEmbedded(copy(() => {}))
    assert.equal(log.views.position('view', 'default'), 3)
    await log.close()
  })
})
