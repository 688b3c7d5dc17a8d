import { existsSync, readdirSync } from 'node:fs'
import { usageError } from './exit.ts'

/** Sees that nothing lies where a folder is to be made: what is there is never written over. */
export function checkEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw usageError(`${folder} is not empty.`, 'Name a new folder, or an empty one.')
}
