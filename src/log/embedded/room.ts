import { readFileSync, statfsSync, statSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { LogUnreadable, NotWritten } from '../port.ts'

export interface RoomLimits {
  /** What LMDB's pages may come to; the data file is up to 1 MiB longer. */
  readonly bytesMax: number
  /** Left free on its disk, for LMDB's own needs and everybody else's. */
  readonly spareBytes: number
}

const growBytes = 1024 * 1024
const mapSpareBytes = 256 * growBytes
const zeros = new Uint8Array(growBytes)

/**
 * Takes the disk space that a commit may need before LMDB is asked for it, by lengthening the data file with zeros.
 *
 * Two reasons. A full disk is then met here, where it has a clear error and has touched nothing, and not half-way through
 * a commit, where lmdb 3.5.6 may end the process (it writes its error message past the end of its buffer). And a sync of
 * blocks that are there already is cheaper than one that has to allocate them. LMDB doesn't mind a file that is longer than
 * its last page. Call it only while no commit runs: LMDB lengthens the file itself where the estimate was too low.
 */
export class Room {
  readonly #file: string
  readonly #limits: RoomLimits
  readonly #what: string

  /** `what` begins the messages: `The log`. */
  constructor(file: string, what: string, limits: RoomLimits) {
    this.#file = file
    this.#what = what
    this.#limits = { ...limits, bytesMax: Math.min(limits.bytesMax, addressSpaceLeft() / 4) }
  }

  /**
   * Address space to map: more than the file may become, so that LMDB never has to map anew. Throws `LogUnreadable` when
   * this process may not have as much.
   */
  mapBytes(): number {
    const there = statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0
    const bytes = Math.max(this.#limits.bytesMax, there) + mapSpareBytes
    if (bytes <= addressSpaceLeft()) return bytes
    throw new LogUnreadable(`${this.#what} needs ${bytes} bytes of address space to be mapped. Raise \`ulimit -v\`.`)
  }

  /** Sees that a first file can be made here: LMDB is not asked for what the disk will not take. Throws `NotWritten`. */
  async tryOut(): Promise<void> {
    const path = `${this.#file}.try`
    try {
      await writeFile(path, zeros)
      if (this.#free() < this.#limits.spareBytes) throw this.#full()
    } catch (error) {
      throw this.refused(error)
    } finally {
      await rm(path, { force: true })
    }
  }

  /**
   * Makes sure of `bytes` beyond `end`, LMDB's last page, and gives how many there are. Throws `NotWritten`. Cost: two stats,
   * and 1 MiB now and then.
   */
  async take(end: number, bytes: number): Promise<number> {
    const { bytesMax, spareBytes } = this.#limits
    if (end + bytes > bytesMax) {
      throw new NotWritten('full', `${this.#what} may grow to ${bytesMax} bytes and is at ${end}. Raise its limit.`)
    }
    try {
      const length = statSync(this.#file).size
      const needed = Math.max(0, end + bytes - length)
      if (this.#free() < spareBytes + needed) throw this.#full()
      const lengthened = needed > 0 ? await this.#lengthen(length, end + bytes) : length
      return Math.min(lengthened, bytesMax) - end
    } catch (error) {
      throw this.refused(error)
    }
  }

  /** `cause`, met while writing, as the outcome of a write that is certainly not there. */
  refused(cause: unknown): NotWritten {
    if (cause instanceof NotWritten) return cause
    const name = errnoName(cause)
    // LMDB calls a write that came up short an I/O error, also where the disk was full.
    const short = name === 'EIO' && this.#free() < this.#limits.spareBytes + 4 * growBytes
    if (short || fullNames.includes(name)) return this.#full(cause)
    if (deniedNames.includes(name)) {
      const message = `${this.#what} is read-only (${name} at ${this.#file}). Give the permission; no restart is needed.`
      return new NotWritten('read-only', message, cause)
    }
    return new NotWritten('failed', `${this.#what} could not be written: ${messageOf(cause)}`, cause)
  }

  /** Appends, and never writes at a place: what another process may have put there meanwhile stays as it is. */
  async #lengthen(from: number, to: number): Promise<number> {
    const file = await open(this.#file, 'a')
    try {
      let at = from
      while (at < to) at += (await file.write(zeros)).bytesWritten
      return at
    } finally {
      await file.close()
    }
  }

  /** Bytes free on its disk for this user; file systems that don't say count as endless. */
  #free(): number {
    const { blocks, bavail, bsize } = statfsSync(dirname(this.#file))
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  }

  #full(cause?: unknown): NotWritten {
    const message = `${this.#what} is on a full disk (${this.#free()} bytes free at ${this.#file}). Make room; no restart is needed.`
    return new NotWritten('full', message, cause)
  }
}

export const fullNames = ['ENOSPC', 'EDQUOT', 'EFBIG']
export const deniedNames = ['EROFS', 'EACCES', 'EPERM']
const errnoNames = new Map(Object.entries(constants.errno).map(([name, code]) => [code as number, name]))

/** The name of the errno in an error of Node (`code` is the name) or of lmdb (`code` is the number). */
export function errnoName(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'number' ? (errnoNames.get(code) ?? String(code)) : String(code)
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Address space that this process may still map; endless where the system doesn't limit it or doesn't say. */
function addressSpaceLeft(): number {
  try {
    const limit = /^Max address space +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (limit === undefined) return Number.POSITIVE_INFINITY
    const [pages = '0'] = readFileSync('/proc/self/statm', 'utf8').split(' ')
    return Math.max(0, Number(limit) - Number(pages) * 4_096 - 2 * mapSpareBytes)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
