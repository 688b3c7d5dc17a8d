import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * The conformance folder: `AEP_CONFORMANCE_DIR`, or `aep-conformance` in the folder `shared` beside the repository. Tests
 * that read it give `conformanceSkip` as their `skip`, so that its absence is told and counted.
 */
const root = new URL('../../', import.meta.url)
const named = process.env['AEP_CONFORMANCE_DIR']
const folder = named ? pathToFileURL(`${named.replace(/\/$/, '')}/`) : new URL('../shared/aep-conformance/', root)

export const conformanceSkip: string | false = existsSync(new URL('manifest.json', folder))
  ? false
  : `there is no conformance folder at ${fileURLToPath(folder)} (AEP_CONFORMANCE_DIR names another)`

/** The folder's path. */
export const conformanceDir = fileURLToPath(folder)

/** Bytes of a file of the folder; `undefined` where there is none. */
export const conformanceFile = (path: string): Uint8Array | undefined => fileIn(folder, path)

export const conformanceText = (path: string): string => {
  const bytes = conformanceFile(path)
  if (bytes === undefined) throw new Error(`${path} is not in the conformance folder`)
  return new TextDecoder().decode(bytes)
}

/** The lines of a file of the folder, parsed. */
export const conformanceLines = (path: string): unknown[] =>
  conformanceText(path)
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as unknown)

export function fileIn(base: URL, path: string): Uint8Array | undefined {
  try {
    return readFileSync(new URL(path, base))
  } catch {
    return undefined
  }
}
