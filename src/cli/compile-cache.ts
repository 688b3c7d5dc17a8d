import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Keeps compiled code for the next start, in the user's own cache folder: what is loaded from there is run, so it must not
 * lie where others may write, as the default under /tmp does. Where the folder cannot be written, nothing is kept.
 */
export function compileQuickly(): void {
  const { XDG_CACHE_HOME, NODE_COMPILE_CACHE } = process.env
  if (NODE_COMPILE_CACHE !== undefined) return
  enableCompileCache(join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'aep-ledger'))
}
