import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbedded } from '../log/embedded/open.ts'
import type { LogReader } from '../log/port.ts'
import type { ViewStore } from '../projections/store.ts'
import { type ClickHouse, openClickHouse } from '../query/clickhouse.ts'
import { startEngine } from '../query/engine.ts'
import { type RemakeLog, remakeRows } from '../query/remake.ts'
import { type RowFinding, rowsAgainst } from '../query/rows-against.ts'
import type { Config } from './config.ts'
import { engineFolder, hashLeaf, serverOf } from './search.ts'
import { type StateFinding, stateAgainst } from './state-view.ts'

/**
 * What `aep-ledger rebuild` does beside `rebuildState`. But for the rows of a server, whoever calls holds the log's writer lock,
 * so that nobody else writes views or rows.
 */

/** Holds the state view against a fold from nothing, which is made in a folder for the time being. */
export async function* checkState(
  log: LogReader & { readonly views: ViewStore },
  onFolded: (entries: number) => void,
): AsyncGenerator<StateFinding> {
  const folder = mkdtempSync(join(tmpdir(), 'aep-ledger-check-'))
  const fresh = await openEmbedded(folder)
  try {
    yield* stateAgainst(log, log.views, fresh.views, onFolded)
  } finally {
    await fresh.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Removes the service's own engine and its rows, so that the next start inserts them again. */
export const removeEngine = (config: Config): void => rmSync(engineFolder(config), { recursive: true, force: true })

/** Makes the rows of a ClickHouse server again beside those that serve; the services that use it may run. */
export const remakeServerRows = (config: Config, log: RemakeLog, onMade: (rows: number) => void): Promise<number> =>
  remakeRows(serverOf(config), log, { hashLeaf, onMade })

/** Holds every row of search against the log; `onRead` hears how many entries were compared. */
export async function* checkRows(
  config: Config,
  log: LogReader,
  onRead: (entries: number) => void,
): AsyncGenerator<RowFinding & { readonly ledger: string }> {
  // No engine ever ran here: there are no rows, and it needs no start to say so.
  if (config.CLICKHOUSE_URL === undefined && !existsSync(engineFolder(config))) return
  const { rows, close } = await rowsOf(config)
  try {
    let compared = 0
    for (const ledger of await log.ledgers()) {
      const read = async (from: number, limit: number) => {
        const entries = await log.read(ledger, from, limit)
        compared += entries.length
        onRead(compared)
        return entries
      }
      for await (const finding of rowsAgainst(rows, ledger, read, hashLeaf)) yield { ...finding, ledger }
    }
  } finally {
    await close()
  }
}

async function rowsOf(config: Config): Promise<{ rows: ClickHouse; close(): Promise<void> }> {
  const engine =
    config.CLICKHOUSE_URL === undefined ? await startEngine({ dir: engineFolder(config), startMsMax }) : undefined
  const rows = await openClickHouse(engine ?? serverOf(config), { hashLeaf })
  const close = async (): Promise<void> => {
    await rows.close()
    await engine?.close()
  }
  if (engine === undefined) return { rows, close }
  // It tries for ever; whoever waits at a terminal does not.
  const failed = new Promise<never>((_, reject) => {
    engine.onChange((status, reason) => {
      if (status === 'down') reject(new Error(`ClickHouse does not start: ${reason ?? 'unknown'}`))
    })
  })
  failed.catch(() => {})
  try {
    await Promise.race([engine.ready, failed])
    return { rows, close }
  } catch (error) {
    await close()
    throw error
  }
}

const startMsMax = 60_000
