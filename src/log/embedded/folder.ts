import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { LogUnreadable, NotWritten } from '../port.ts'
import { deniedNames, errnoName, fullNames } from './room.ts'

/**
 * The folder that LMDB's files lie in, and the marker that says whose they are.
 *
 * `format.json` names format and version. It is written last, so a folder without one was never finished: nothing in it was
 * ever acknowledged, and making it goes on where it stopped. A folder that holds anything that we don't put there, or data
 * without a marker, is left alone.
 */
export const formatVersion = 1

const markerName = 'format.json'
const ours = [
  'data.mdb',
  'data.mdb.try',
  'lock.mdb',
  'writer.lock',
  'writer.lock-journal',
  'writer.pid',
  `${markerName}.new`,
  markerName,
]
/** A file of LMDB's that holds nothing yet: its two meta pages. */
const emptyFileBytes = 2 * 4_096

/** Where the log lies in a data folder. */
export const logFolder = (dir: string): string => join(dir, 'log')

export const dataFile = (folder: string): string => join(folder, 'data.mdb')

/** What stands in the folder: a finished log of this version, or the beginnings of one. Throws `LogUnreadable`. */
export function look(folder: string): 'finished' | 'begun' {
  const names = list(folder)
  const strange = names.find(name => !ours.includes(name))
  if (names.includes(markerName)) {
    checkMarker(folder)
    if (!names.includes('data.mdb') || statSync(dataFile(folder)).size < emptyFileBytes) {
      throw new LogUnreadable(`The log in ${folder} has lost its data.mdb. Restore the folder from a backup.`)
    }
    return 'finished'
  }
  if (strange !== undefined) {
    throw new LogUnreadable(
      `The folder ${folder} holds ${strange} and no log. Choose another data folder, or empty it.`,
    )
  }
  return 'begun'
}

/**
 * Sees that this user may use the files as LMDB and SQLite will. Neither can be left to find out: a failure to open ends
 * the process in lmdb 3.5.6, and SQLite locks nothing in a file that it can't write. Throws an error of Node's.
 */
export function checkAccess(folder: string, forWriting: boolean): void {
  const there = (name: string): boolean => existsSync(join(folder, name))
  if (forWriting || !there('lock.mdb')) accessSync(folder, constants.W_OK | constants.X_OK)
  if (forWriting && there('writer.lock')) accessSync(join(folder, 'writer.lock'), constants.R_OK | constants.W_OK)
  if (there('lock.mdb')) accessSync(join(folder, 'lock.mdb'), constants.R_OK | constants.W_OK)
  if (there('data.mdb')) accessSync(dataFile(folder), constants.R_OK | (forWriting ? constants.W_OK : 0))
}

/** Clears away a data file that was cut off while it was made, so that it can be made again. */
export function clearBeginnings(folder: string): void {
  const size = statSync(dataFile(folder), { throwIfNoEntry: false })?.size
  if (size === undefined || size > emptyFileBytes) return
  rmSync(dataFile(folder))
  rmSync(join(folder, 'lock.mdb'), { force: true })
}

/** Makes the folder and those above it. Throws `NotWritten` when the place doesn't allow it. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    const name = errnoName(error)
    if (fullNames.includes(name)) throw new NotWritten('full', `The disk of ${folder} is full. Make room.`, error)
    if (deniedNames.includes(name)) {
      throw new NotWritten('read-only', `The folder ${folder} can't be made: ${name}. Give the permission.`, error)
    }
    throw error
  }
}

/** Says that the folder is finished. All that is in it, and it in its parents, is on disk when this returns. */
export function finish(folder: string): void {
  syncPath(dataFile(folder))
  const marker = join(folder, markerName)
  const file = openSync(`${marker}.new`, 'w', 0o600)
  try {
    writeSync(file, `${JSON.stringify({ format: 'aep-ledger log', version: formatVersion })}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${marker}.new`, marker)
  for (const path of [folder, dirname(folder), dirname(dirname(folder))]) syncPath(path)
}

export function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    const name = errnoName(error)
    if (name === 'ENOENT') throw new LogUnreadable(`There is no log in ${folder}.`, error)
    if (name === 'ENOTDIR') throw new LogUnreadable(`${folder} is no folder. Choose another data folder.`, error)
    throw new LogUnreadable(`The folder ${folder} can't be read: ${name}.`, error)
  }
}

function checkMarker(folder: string): void {
  const { format, version } = readMarker(join(folder, markerName))
  if (format !== 'aep-ledger log' || typeof version !== 'number') {
    throw new LogUnreadable(`${join(folder, markerName)} is not that of a log. Restore it from a backup.`)
  }
  if (version === formatVersion) return
  const advice =
    version > formatVersion
      ? 'Start the version of aep-ledger that wrote it, or a newer one.'
      : 'Upgrade it step by step: docs/operating.md says how.'
  throw new LogUnreadable(`The log in ${folder} has format ${version}; this version reads ${formatVersion}. ${advice}`)
}

function readMarker(path: string): { format?: unknown; version?: unknown } {
  try {
    const marker: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof marker === 'object' && marker !== null ? marker : {}
  } catch {
    return {}
  }
}
