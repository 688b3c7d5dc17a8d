import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { dataFile, finish, logFolder, makeFolder } from './folder.ts'
import type { Root } from './lmdb.ts'

/**
 * Copies the newest snapshot of the log's environment into a new data folder while writing goes on, and returns when the
 * copy is on disk. It holds a snapshot for as long as it takes: until then the log grows instead of using old pages again.
 * A copy that was cut off has no marker and is refused when it is opened.
 */
export async function backup(root: Root, dir: string): Promise<void> {
  if (existsSync(dir) && readdirSync(dir).length > 0)
    throw new Error(`${dir} is not empty. Name a new folder for the backup.`)
  const folder = logFolder(dir)
  makeFolder(folder)
  root.resetReadTxn()
  await root.backup(folder, false)
  chmodSync(dataFile(folder), 0o600)
  finish(folder)
}
