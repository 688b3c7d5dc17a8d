import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { LogUnreadable } from '../port.ts'

/**
 * A look at the pages of LMDB's data file without LMDB, which trusts them: a file that was cut short, or whose tree was
 * damaged, can end the process that reads it. This reads the file by itself and believes no number in it.
 *
 * ```text
 * page    pgno u64 · txnid u64 · pad u16 · flags u16 (1 branch, 2 leaf, 4 overflow, 8 meta) ·
 *         lower u16 = 2 x nodes · upper u16            (overflow: pages u32), then lower/2 node offsets u16, from here
 * node    branch: pgno u48 · ksize u16 · key           leaf: dsize u32 · flags u16 · ksize u16 · key · data
 * data    flag 1: overflow pgno u64 · txnid u64 · pages u64        flag 2: a tree
 * tree    pad u32 · flags u16 · depth u16 · branch, leaf, overflow pages u64 · entries u64 · root u64
 * meta    magic u32 · version u32 · address u64 · map size u64 · free tree · main tree · last pgno u64 · txnid u64
 * ```
 * (LMDB's data format 2 on a little-endian machine.) Not seen here: damage inside a key or a value.
 */
export interface PageCheck {
  /** Reads leaf pages and the heads of overflow pages too, not only the pages that lead to them. Cost: the whole file. */
  readonly deep: boolean
}

/**
 * Throws `LogUnreadable` when the newest snapshot in `path` can't be walked within the file. The snapshot must stay put
 * meanwhile: no writer is there, or a read transaction holds it. Cost, shallow: about one page in 180.
 */
export function checkPages(path: string, { deep }: PageCheck): void {
  const file = openSync(path, 'r')
  try {
    const meta = newestMeta(file, path)
    const walk = new Walk(file, path, deep, meta.readUInt32LE(pageSizeAt))
    walk.tree(meta, freeTreeAt, false)
    walk.tree(meta, mainTreeAt, true)
  } finally {
    closeSync(file)
  }
}

const headerBytes = 24
const freeTreeAt = headerBytes + 24
/** LMDB keeps the page size in the unused first member of the free tree. */
const pageSizeAt = freeTreeAt
const treeBytes = 48
const mainTreeAt = freeTreeAt + treeBytes
const lastPageAt = mainTreeAt + treeBytes
const txnAt = lastPageAt + 8
const magic = 0xbeefc0de
const dataVersion = 2
const noPage = 0xffff_ffff_ffff_ffffn
const branch = 1
const leaf = 2
const overflow = 4
const metaFlag = 8
const depthMax = 32
const stretchBytes = 32 * 1024
const stretchesMax = 256

/** Throws `LogUnreadable` when LMDB would not take the file for its own. Two reads; holds while a writer is at work. */
export function checkMeta(path: string): void {
  const file = openSync(path, 'r')
  try {
    newestMeta(file, path)
  } finally {
    closeSync(file)
  }
}

function newestMeta(file: number, path: string): Buffer {
  const first = metaAt(file, 0)
  const pageBytes = first?.readUInt32LE(pageSizeAt) ?? 0
  if (first === undefined || pageBytes < 512 || pageBytes > 65_536) {
    throw new LogUnreadable(`${path} is damaged: its first page is not a data file's. Restore it from a backup.`)
  }
  const second = metaAt(file, pageBytes)
  if (second === undefined)
    throw new LogUnreadable(`${path} is damaged: its second page is missing. Restore it from a backup.`)
  return first.readBigUInt64LE(txnAt) > second.readBigUInt64LE(txnAt) ? first : second
}

function metaAt(file: number, position: number): Buffer | undefined {
  let meta = readAt(file, position, txnAt + 8)
  // A writer may be replacing it: what reads the same twice is one piece.
  for (let tries = 0; tries < 100; tries++) {
    const again = readAt(file, position, txnAt + 8)
    if (again.equals(meta)) break
    meta = again
  }
  if (meta.length < txnAt + 8 || (meta.readUInt16LE(18) & metaFlag) === 0) return undefined
  return meta.readUInt32LE(headerBytes) === magic && meta.readUInt16LE(headerBytes + 4) === dataVersion
    ? meta
    : undefined
}

/** A u64 as a number: what is too large for one is no page either way. */
const pageNumber = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32

function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  return bytes.subarray(0, readSync(file, bytes, 0, length, position))
}

class Walk {
  readonly #file: number
  readonly #path: string
  readonly #deep: boolean
  readonly #fileBytes: number
  readonly #pageBytes: number
  readonly #stretches = new Map<number, Buffer>()
  /** Pages visited: a tree that leads in circles visits more than there are. */
  #visited = 0

  constructor(file: number, path: string, deep: boolean, pageBytes: number) {
    this.#pageBytes = pageBytes
    this.#file = file
    this.#path = path
    this.#deep = deep
    this.#fileBytes = fstatSync(file).size
  }

  /** Walks the tree described at `at` of `holder`; the leaves of a tree of trees are read in any case. */
  tree(holder: Buffer, at: number, ofTrees: boolean): void {
    const root = holder.readBigUInt64LE(at + treeBytes - 8)
    const depth = holder.readUInt16LE(at + 6)
    if (root === noPage) return
    if (depth === 0 || depth > depthMax) throw this.#damage(`a tree of depth ${depth}`)
    this.#page(Number(root), depth, ofTrees)
  }

  #page(pgno: number, height: number, ofTrees: boolean): void {
    this.#within(pgno, 1)
    if (height === 1 && !this.#deep && !ofTrees) return
    const page = this.#read(pgno)
    if (pageNumber(page, 0) !== pgno) throw this.#damage(`page ${pgno} says that it is another`)
    const flags = page.readUInt16LE(18)
    if ((flags & (branch | leaf)) !== (height === 1 ? leaf : branch))
      throw this.#damage(`page ${pgno} is of another kind`)
    const lower = page.readUInt16LE(20)
    if (lower % 2 !== 0 || headerBytes + lower > this.#pageBytes) throw this.#damage(`page ${pgno} has no end`)
    for (let slot = headerBytes; slot < headerBytes + lower; slot += 2) {
      const at = headerBytes + page.readUInt16LE(slot)
      if (at + 8 > this.#pageBytes) throw this.#damage(`page ${pgno} points outside itself`)
      if (height === 1) this.#leafNode(page, pgno, at)
      else if (at + 8 + page.readUInt16LE(at + 6) > this.#pageBytes)
        throw this.#damage(`page ${pgno} has a key that leaves it`)
      else this.#page(page.readUIntLE(at, 6), height - 1, ofTrees)
    }
  }

  #leafNode(page: Buffer, pgno: number, at: number): void {
    const size = page.readUInt32LE(at)
    const flags = page.readUInt16LE(at + 4)
    const data = at + 8 + page.readUInt16LE(at + 6)
    const inPage = (flags & 1) === 1 ? 24 : (flags & 2) === 2 ? treeBytes : size
    if (data + inPage > this.#pageBytes) throw this.#damage(`page ${pgno} has a value that leaves it`)
    if ((flags & 2) === 2) this.tree(page, data, false)
    else if ((flags & 1) === 1) this.#overflow(pageNumber(page, data), size)
  }

  #overflow(pgno: number, size: number): void {
    this.#within(pgno, Math.ceil((size + headerBytes) / this.#pageBytes))
    const page = this.#read(pgno)
    const fits = pageNumber(page, 0) === pgno && (page.readUInt16LE(18) & overflow) === overflow
    if (!fits) throw this.#damage(`page ${pgno} does not begin a long value`)
  }

  /** A page, out of a stretch of the file that is read at once: neighbours in a tree mostly are neighbours in the file. */
  #read(pgno: number): Buffer {
    const position = pgno * this.#pageBytes
    const first = position - (position % stretchBytes)
    let stretch = this.#stretches.get(first)
    if (stretch === undefined) {
      stretch = readAt(this.#file, first, stretchBytes)
      const [oldest] = this.#stretches.keys()
      if (this.#stretches.size >= stretchesMax && oldest !== undefined) this.#stretches.delete(oldest)
      this.#stretches.set(first, stretch)
    }
    return stretch.subarray(position - first, position - first + this.#pageBytes)
  }

  #within(pgno: number, count: number): void {
    if (pgno < 2 || (pgno + count) * this.#pageBytes > this.#fileBytes) {
      throw this.#damage(`it needs page ${pgno + count - 1} and has ${Math.floor(this.#fileBytes / this.#pageBytes)}`)
    }
    this.#visited += 1
    if (this.#visited * this.#pageBytes > this.#fileBytes) throw this.#damage('its pages lead in circles')
  }

  #damage(what: string): LogUnreadable {
    return new LogUnreadable(`${this.#path} is damaged: ${what}. Restore it from a backup.`)
  }
}
