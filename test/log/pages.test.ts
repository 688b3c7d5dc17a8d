import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { checkPages } from '../../src/log/embedded/pages.ts'
import { LogUnreadable } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'

const pageBytes = 4_096
const folder = newFolder()
const file = join(folder, 'log/data.mdb')
const damaged = join(folder, 'damaged.mdb')
let whole: Buffer

before(async () => {
  const log = await openEmbedded(folder)
  const first = batchAfter(undefined, { count: 400, size: 900 })
  await log.append(first)
  await log.append(batchAfter(first.head, { count: 3, size: 20_000 }))
  await log.close()
  whole = readFileSync(file)
  writeFileSync(damaged, whole)
})

/** Whether the check takes the file with these bytes over it. */
function takes(deep: boolean, patches: readonly { at: number; bytes: Uint8Array }[] = []): boolean {
  const patched = openSync(damaged, 'r+')
  try {
    for (const { at, bytes } of patches) writeSync(patched, bytes, 0, bytes.length, at)
    return isTaken(deep)
  } finally {
    for (const { at, bytes } of patches) writeSync(patched, whole, at, bytes.length, at)
    closeSync(patched)
  }
}

function isTaken(deep: boolean): boolean {
  try {
    checkPages(damaged, { deep })
    return true
  } catch (error) {
    assert.ok(error instanceof LogUnreadable, String(error))
    return false
  }
}

const pages = (): number[] => Array.from({ length: statSync(file).size / pageBytes }, (_, page) => page)
/** The last page that is no room taken in advance. */
const lastUsed = (): number => pages().findLast(page => whole.readUInt32LE(page * pageBytes) === page && page > 0) ?? 0

/** Pages of the newest snapshot that an entry begins on. A page that was copied to be changed leaves its old self behind. */
function entryPages(): number[] {
  const newest = new Map<string, number>()
  const writtenBy = (page: number): bigint => whole.readBigUInt64LE(page * pageBytes + 8)
  for (const page of pages()) {
    for (const [text] of whole
      .toString('latin1', page * pageBytes, (page + 1) * pageBytes)
      .matchAll(/default \d+ x/g)) {
      const other = newest.get(text)
      if (other === undefined || writtenBy(other) < writtenBy(page)) newest.set(text, page)
    }
  }
  return [...new Set(newest.values())]
}

describe('the page check', () => {
  it('takes a whole file, deep or not', () => {
    assert.ok(takes(true))
    assert.ok(takes(false))
  })
  it('refuses, deep, garbage in every page that an entry begins on', () => {
    const garbage = new Uint8Array(pageBytes).fill(0xa7)
    assert.ok(entryPages().length > 90, `${entryPages().length} pages`)
    for (const page of entryPages()) {
      assert.equal(takes(true, [{ at: page * pageBytes, bytes: garbage }]), false, `page ${page}`)
    }
  })
  it('refuses a page that is another one’s copy', () => {
    const [one = 0, two = 0] = entryPages()
    const bytes = whole.subarray(one * pageBytes, (one + 1) * pageBytes)
    assert.equal(takes(true, [{ at: two * pageBytes, bytes }]), false)
  })
  it('says yes or no, and nothing worse, whatever bytes are changed', () => {
    const change = fc.record({
      at: fc.nat((lastUsed() + 1) * pageBytes - 1),
      bytes: fc.nat(255).map(byte => Uint8Array.of(byte)),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 30 }), changes => {
        takes(true, changes)
      }),
      { numRuns: 200 },
    )
  })
  it('refuses a file that is cut anywhere before its last page in use', () => {
    for (let pagesLeft = lastUsed(); pagesLeft >= 0; pagesLeft--) {
      truncateSync(damaged, pagesLeft * pageBytes)
      assert.equal(isTaken(false), false, `${pagesLeft} pages`)
    }
  })
})
