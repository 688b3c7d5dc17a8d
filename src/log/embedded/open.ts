import { existsSync } from 'node:fs'
import type { TokenRecord } from '../control.ts'
import { type LogReader, LogUnreadable, NotWritten } from '../port.ts'
import { backup } from './backup.ts'
import { Commits } from './commits.ts'
import { allHeads, type Environment, openEnvironment, pageBytes, storesMax, withStores } from './environment.ts'
import { checkAccess, clearBeginnings, dataFile, finish, logFolder, look, makeFolder } from './folder.ts'
import { openRoot, type Root } from './lmdb.ts'
import { lockForWriting } from './lock.ts'
import { type EmbeddedLog, Log } from './log.ts'
import { checkMeta, checkPages } from './pages.ts'
import { EnvironmentReader, type Extent } from './reading.ts'
import { deniedNames, errnoName, fullNames, Room } from './room.ts'
import { openViews } from './views.ts'

export interface EmbeddedOptions {
  /** What the log's data file may become; 256 GiB. Address space of that size is mapped, no memory. */
  readonly bytesMax?: number
  /** What the views' data file may become; 64 GiB. */
  readonly viewsBytesMax?: number
  /** Disk space that the log leaves to others: with less, it counts as full; 8 MiB. */
  readonly spareBytes?: number
}

/** Reading half, for other processes than the one that writes. */
export interface EmbeddedReader extends LogReader {
  /** As `EnvironmentReader.extent`: what a verifier asks instead of `head`, which throws on a damaged one. */
  extent(ledger: string): Promise<Extent>
  tokens(): Promise<readonly TokenRecord[]>
  /** As `EmbeddedLog.backup`. */
  backup(folder: string): Promise<void>
  close(): Promise<void>
}

const gib = 2 ** 30
const mib = 2 ** 20

/**
 * Opens the log in the data folder `dir` for writing, and makes it where there is none; the views beside it too.
 *
 * Throws `LogInUse` while another process writes it; `LogUnreadable` when the folder holds something else, another format,
 * or a damaged file; `NotWritten` (`full`, `read-only`) when the place doesn't allow writing. Whatever it throws, it has
 * changed nothing that was there. Cost: the pages above the leaves are read once, 30 ms a million entries.
 */
export async function openEmbedded(dir: string, options: EmbeddedOptions = {}): Promise<EmbeddedLog> {
  const { bytesMax = 256 * gib, viewsBytesMax = 64 * gib, spareBytes = 8 * mib } = options
  const folder = logFolder(dir)
  makeFolder(folder)
  look(folder)
  const lock = openingOrFault(folder, () => {
    checkAccess(folder, true)
    return lockForWriting(folder)
  })
  const opened: { close(): Promise<void> }[] = []
  try {
    const room = new Room(dataFile(folder), 'The log', { bytesMax, spareBytes })
    const commits = await openCommits(folder, room)
    opened.push(commits)
    const views = await openViews(dir, { bytesMax: viewsBytesMax, spareBytes })
    opened.push(views)
    const heads = new Map([...allHeads(commits.environment().heads)].map(([ledger, { seq }]) => [ledger, seq]))
    await views.dropAheadOf(ledger => heads.get(ledger) ?? -1)
    return new Log({ commits, views, lock })
  } catch (error) {
    for (const part of opened) await part.close()
    lock.release()
    throw openFault(folder, error)
  }
}

async function openCommits(folder: string, room: Room): Promise<Commits<Environment>> {
  const file = dataFile(folder)
  const state = look(folder)
  if (state === 'begun') clearBeginnings(folder)
  if (existsSync(file)) checkPages(file, { deep: false })
  else await room.tryOut()
  const open = (): Environment => openEnvironment(folder, room.mapBytes(), false)
  const commits = new Commits({ what: 'The log', open, file, room })
  try {
    if (state === 'begun') finishNew(folder, commits.environment())
    return commits
  } catch (error) {
    await commits.close()
    throw error
  }
}

function finishNew(folder: string, { heads, records, control }: Environment): void {
  const used = [heads, records, control].some(store => store.getCount({ limit: 1 }) > 0)
  if (used) throw new LogUnreadable(`The log in ${folder} has lost its format.json. Restore it from a backup.`)
  finish(folder)
}

/**
 * Opens the log in the data folder `dir` for reading, while another process writes it or not. Throws `LogUnreadable`.
 *
 * `deep` looks at every page before LMDB trusts it: for a file that somebody may have tampered with. Cost: the whole file.
 */
export async function openEmbeddedReader(dir: string, { deep = false } = {}): Promise<EmbeddedReader> {
  const folder = logFolder(dir)
  if (look(folder) === 'begun')
    throw new LogUnreadable(`The log in ${folder} was never finished: nothing was written to it yet.`)
  const mapBytes = new Room(dataFile(folder), 'The log', { bytesMax: 256 * gib, spareBytes: 0 }).mapBytes()
  let root: Root | undefined
  try {
    checkMeta(dataFile(folder))
    allowReadOnlyDisk(() => checkAccess(folder, false))
    root = openRoot(folder, { mapBytes, pageBytes, readOnly: true, storesMax, lazyMeta: false })
    const snapshot = root.useReadTransaction()
    try {
      checkPages(dataFile(folder), { deep })
    } finally {
      snapshot.done()
    }
    return new Reader(withStores(root))
  } catch (error) {
    await root?.close()
    const fault = openFault(folder, error)
    throw fault instanceof NotWritten ? new LogUnreadable(fault.message, error) : fault
  }
}

/** On a disk that nobody can write there is no writer, and LMDB reads without its lock file. */
function allowReadOnlyDisk(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (errnoName(error) !== 'EROFS') throw error
  }
}

class Reader extends EnvironmentReader implements EmbeddedReader {
  readonly #root: Root
  #closed: Promise<void> | undefined

  constructor(environment: Environment) {
    super(() => {
      if (this.#closed !== undefined) throw new Error('The log is closed.')
      return environment
    })
    this.#root = environment.root
  }

  backup(folder: string): Promise<void> {
    return backup(this.#root, folder)
  }

  close(): Promise<void> {
    this.#closed ??= this.#root.close()
    return this.#closed
  }
}

function openingOrFault<T>(folder: string, opening: () => T): T {
  try {
    return opening()
  } catch (error) {
    throw openFault(folder, error)
  }
}

/** What Node or LMDB said while a folder was opened, as what the port promises to throw. */
function openFault(folder: string, error: unknown): unknown {
  const name = errnoName(error)
  if (fullNames.includes(name)) return new NotWritten('full', `The disk of ${folder} is full. Make room.`, error)
  if (deniedNames.includes(name)) {
    return new NotWritten('read-only', `${folder} can't be written by this user (${name}). Give the permission.`, error)
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    return new LogUnreadable(`LMDB can't read the log in ${folder}: ${error.message}. Restore it from a backup.`, error)
  }
  return error
}
