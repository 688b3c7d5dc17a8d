import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveLibchdb } from 'chdb/libchdb'
import { lacking } from '../support/lacking.ts'

/** Runs `work` on an empty folder, and removes it whatever comes of it. */
export function newFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'aep-query-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Why the tests of the engine cannot run on this machine; `false` where they can. */
export const noEngine = (() => {
  try {
    resolveLibchdb()
    return false
  } catch (error) {
    return lacking(`no ClickHouse here: ${error instanceof Error ? error.message : String(error)}`)
  }
})()
