import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The record of that digest in a folder that has each under its own. */
export function recordIn(dir: string, digest: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(join(dir, digest)))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
