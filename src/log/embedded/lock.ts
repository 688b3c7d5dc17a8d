import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LogInUse, LogUnreadable, NotWritten } from '../port.ts'

export interface WriterLock {
  release(): void
}

/** Two that start at the same moment may each keep the other from the lock: they try again for this long. */
const waitMs = 250
const sqliteBusy = 5
const sqliteReadOnly = 8
const sqliteFull = 13
const sqliteCantOpen = 14

/**
 * The right to write the log in `folder`, for one process at a time.
 *
 * It is SQLite's exclusive lock on an empty database: a lock of the kernel's (fcntl), which two starters can't both get, and
 * which ends with the process however that ends, so there is nothing to go stale. Node has no lock of its own to offer. The
 * kernel gives such a lock up when its process closes any other descriptor of the same file: nothing but SQLite may open
 * `writer.lock` here.
 *
 * Throws `LogInUse` with the process id of the holder, which stands in a file beside it and is there for people only.
 */
export function lockForWriting(folder: string): WriterLock {
  const holderFile = join(folder, 'writer.pid')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folder, 'writer.lock'), { timeout: waitMs })
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    throw refusal(folder, holderFile, error)
  }
  sayWho(holderFile)
  const held = database
  return { release: () => held.close() }
}

/** On a full disk nobody is named, and a name from before is taken away. */
function sayWho(holderFile: string): void {
  try {
    writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 })
  } catch {
    rmSync(holderFile, { force: true })
  }
}

function refusal(folder: string, holderFile: string, error: unknown): Error {
  const code =
    error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0
  if (code === sqliteBusy) {
    const holder = holderOf(holderFile)
    return new LogInUse(`The log in ${folder} is being written by ${holder}. One process writes it at a time.`, holder)
  }
  if (code === sqliteReadOnly || code === sqliteCantOpen) {
    return new NotWritten(
      'read-only',
      `The folder ${folder} is read-only for this user. Give it write permission.`,
      error,
    )
  }
  if (code === sqliteFull) return new NotWritten('full', `The disk of ${folder} is full. Make room.`, error)
  return new LogUnreadable(`The log in ${folder} can't be locked. Is it on a local disk? (${String(error)})`, error)
}

function holderOf(file: string): string {
  try {
    return `process ${readFileSync(file, 'utf8').trim()}`
  } catch {
    return 'another process'
  }
}
