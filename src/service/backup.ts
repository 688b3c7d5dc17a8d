import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EmbeddedReader } from '../log/embedded/open.ts'
import { writeSecret } from './key-files.ts'

/** Files beside the log that nothing else can make again, besides the keys. */
const besides = ['origin', 'admin.token']

/**
 * Copies the data folder `dir` into `folder`, which is new or empty: the log as of some moment, `origin`, `admin.token`, and
 * the signing keys, all on disk when it resolves and for their owner alone. The keys are read before the log is copied and
 * after: of a rotation meanwhile both keys come along, whichever of them signs in the copy.
 */
export async function copyFolder(reader: Pick<EmbeddedReader, 'backup'>, dir: string, folder: string): Promise<void> {
  const before = keysIn(dir)
  await reader.backup(folder)
  mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 })
  for (const [name, text] of new Map([...before, ...keysIn(dir)])) writeSecret(join(folder, 'keys', name), text)
  for (const name of besides) {
    if (existsSync(join(dir, name))) writeSecret(join(folder, name), readFileSync(join(dir, name), 'utf8'))
  }
}

/** The key files of a data folder, by name. */
function keysIn(dir: string): Map<string, string> {
  const folder = join(dir, 'keys')
  const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.json')) : []
  const keys = new Map<string, string>()
  for (const name of names) {
    try {
      keys.set(name, readFileSync(join(folder, name), 'utf8'))
    } catch (error) {
      // A rotation ended it since it was listed; the key that follows it is read afterwards.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return keys
}
