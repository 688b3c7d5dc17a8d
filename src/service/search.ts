import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Fault } from '../base/fault.ts'
import { nodeSuite } from '../crypto/node.ts'
import { type LeafHash, leafHashOf } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'
import { blockRows } from '../query/clickhouse/blocks.ts'
import { type ClickHouse, openClickHouse } from '../query/clickhouse.ts'
import { type Engine, startEngine } from '../query/engine.ts'
import { HeldRows } from '../query/held-rows.ts'
import type { EventSearch } from '../query/port.ts'
import type { ClickHouseServer } from '../query/server.ts'
import type { Config } from './config.ts'
import { Follower, type FollowerOptions, type View } from './follower.ts'

/** Search as the service runs it: its own engine or a server, and the follower that fills it. */
export interface SearchPart {
  readonly search: EventSearch
  /** Fills the rows once it is started. */
  readonly follower: Follower | undefined
  health(): { readonly ready: boolean; readonly detail: string }
  /** Breaks off what is under way in ClickHouse; whoever waits for it is told that search is not to be had. */
  breakOff(): Promise<void>
  /** Waits a moment for the insert under way, which may be sent again, and never for a ClickHouse that hangs. */
  close(): Promise<void>
}

export interface SearchOptions extends Pick<FollowerOptions, 'restMs' | 'isBusy' | 'onError'> {
  readonly config: Config
  readonly log: LogReader
  /** What of the log this process keeps rows of; without it, it only searches. */
  readonly followed: LogReader | undefined
  readonly logger: Logger
}

/** Where the service's own engine lives. */
export const engineFolder = (config: Config): string => join(config.DATA_DIR, 'clickhouse')

/** The server that the configuration names: for where it names one. */
export const serverOf = (config: Config): ClickHouseServer => ({
  url: config.CLICKHOUSE_URL ?? '',
  writer: { username: config.CLICKHOUSE_USER, password: config.CLICKHOUSE_PASSWORD ?? '' },
  database: config.CLICKHOUSE_DATABASE,
  ...(config.CLICKHOUSE_CLUSTER !== undefined && { cluster: config.CLICKHOUSE_CLUSTER }),
})

export const hashLeaf = (bytes: Uint8Array): LeafHash => leafHashOf(nodeSuite, bytes)

/** Entries that one step takes: whole blocks. */
const insertEntriesMax = 2 * blockRows
/** How long the insert under way may take when the service ends. */
const insertMsMax = 2_000

/** Starts search in the background: nothing waits for ClickHouse, and its absence is one part's health. */
export async function openSearch(options: SearchOptions): Promise<SearchPart> {
  const { config, log, followed, logger, restMs, isBusy, onError } = options
  // An engine of its own that nobody fills would find nothing.
  if (config.SEARCH === 'off') return searchOff('switched off (AEP_LEDGER_SEARCH=off)')
  if (followed === undefined && config.CLICKHOUSE_URL === undefined) {
    return searchOff('not to be had from this process: give it AEP_LEDGER_CLICKHOUSE_URL, as the followers have it')
  }
  const engine =
    config.CLICKHOUSE_URL === undefined ? await startEngine({ dir: engineFolder(config), log: logger }) : undefined
  const clickhouse = await openClickHouse(engine ?? serverOf(config), {
    hashLeaf,
    onExchanged: () => rows.compareAgain(),
  })
  const rows: HeldRows = new HeldRows({
    ...{
      rows: clickhouse,
      log,
      hashLeaf,
      ownEngine: engine !== undefined,
      logMayLag: config.KAFKA_BROKERS !== undefined,
    },
    onRemoved: (ledger, detail) =>
      logger.warn({ ledger, detail }, 'search rows were not of this log; they are removed and made again from it'),
  })
  const follower =
    followed &&
    new Follower({
      log: followed,
      view: rowsView(rows),
      batch: insertEntriesMax,
      restMs,
      ...(isBusy && { isBusy }),
      onError: (error, retryInMs) => {
        // An engine that is still starting is no failure.
        if (engine?.status() !== 'starting') onError(error, retryInMs)
      },
    })
  engine?.onChange(status => {
    if (status === 'up') follower?.retryNow()
  })
  // The engine of one's own is watched already.
  const watch = engine === undefined ? watchServer(clickhouse) : undefined
  return {
    search: {
      search: (...query) => rows.search(...query),
      position: ledger => rows.position(ledger),
      reached: (ledger, seq, timeoutMs) =>
        (follower?.follows(ledger) ? follower : rows).reached(ledger, seq, timeoutMs),
    },
    follower,
    health: () => {
      const detail = follower?.failing ?? watch?.failing ?? engineDetail(engine)
      return { ready: detail === undefined, detail: detail ?? 'up' }
    },
    breakOff: () => clickhouse.close(),
    close: async () => {
      watch?.stop()
      const stopped = follower?.stop()
      await Promise.race([stopped, sleep(insertMsMax, undefined, { ref: false })])
      await clickhouse.close()
      await Promise.all([stopped, engine?.close()])
    },
  }
}

const engineDetail = (engine: Engine | undefined): string | undefined =>
  engine === undefined || engine.status() === 'up' ? undefined : (engine.reason ?? 'ClickHouse is starting')

const rowsView = (rows: HeldRows): View => ({
  name: 'search',
  position: ledger => rows.position(ledger),
  take: (ledger, entries) => rows.insert(ledger, entries),
})

/** How often a server is asked for a sign of life: not every process inserts all the time, and some only search. */
const watchMs = 5_000

/** Asks the server now and then whether it is there and its tables are as they should be. */
function watchServer(clickhouse: ClickHouse): { readonly failing: string | undefined; stop(): void } {
  let failing: string | undefined
  let isAsking = false
  const ask = async (): Promise<void> => {
    if (isAsking) return
    isAsking = true
    failing = await clickhouse.check().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    isAsking = false
  }
  const timer = setInterval(() => void ask(), watchMs).unref()
  void ask()
  return {
    get failing() {
      return failing
    },
    stop: () => clearInterval(timer),
  }
}

/** No search, and `why`. */
function searchOff(why: string): SearchPart {
  const off = (): Promise<never> => Promise.reject(new Fault('query-unavailable', `Search is ${why}.`))
  return {
    search: { search: off, position: off, reached: () => Promise.resolve(false) },
    follower: undefined,
    breakOff: () => Promise.resolve(),
    health: () => ({ ready: true, detail: why }),
    close: () => Promise.resolve(),
  }
}
