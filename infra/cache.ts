import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Folder of what development fetches once: AEP_LEDGER_CACHE_DIR, or `~/.cache/aep-ledger`. */
export const cacheFolder = (): string => process.env['AEP_LEDGER_CACHE_DIR'] ?? join(homedir(), '.cache', 'aep-ledger')

/**
 * `folder`, filled by `fill` where it isn't there yet. Two processes may fill it at once: each fills one of its own, and the
 * first to be done gives it the name, so that a folder of the name is always whole.
 */
export async function filledOnce(folder: string, fill: (partial: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const partial = mkdtempSync(`${folder}-`)
  try {
    await fill(partial)
    renameUnlessThere(partial, folder)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}

/** A folder with files in it is never renamed over: whoever comes second finds the first's. */
function renameUnlessThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!existsSync(to)) throw error
  }
}
