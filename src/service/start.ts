import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import manifest from '../../package.json' with { type: 'json' }
import { Fault } from '../base/fault.ts'
import { nodeSuite } from '../crypto/node.ts'
import { buildApp } from '../http/app.ts'
import { defaultLimits, type Limits } from '../http/ports.ts'
import type { Head } from '../ledger/entry.ts'
import type { EventIntake } from '../log/intake.ts'
import type { LogReader } from '../log/port.ts'
import { Admin } from './admin.ts'
import { closeAll } from './close-all.ts'
import type { Config } from './config.ts'
import { recordConflicts } from './conflicts.ts'
import { forgetDeadReaders } from './dead-readers.ts'
import { diskMetrics } from './disk-metrics.ts'
import { ensureAdminToken, ensureOrigin } from './first-start.ts'
import { healthOf } from './health.ts'
import { KeyFiles } from './key-files.ts'
import { serviceMetrics } from './metrics.ts'
import { openLog } from './open-log.ts'
import { Registry } from './registry.ts'
import { openSearch } from './search.ts'
import { Sequencer } from './sequencer.ts'
import { followState, StateView } from './state-view.ts'

/** A running service. */
export interface Service {
  /** Where it listens: `http://host:port`. */
  readonly url: string
  /** File of the admin token, when this start wrote it. */
  readonly adminToken: string | undefined
  /** Takes nothing more, finishes what was taken, answers it, and lets go of everything. */
  close(): Promise<void>
}

/** The ledger that every installation has. */
const defaultLedger = 'default'
/** Entries that one append takes at most, unless one request brings more: bounds how long a reply waits for others. */
const appendEntriesMax = 1_000
const stateBatch = 5_000
/** Rests between steps: a view that lags by so little costs ingest less, and whoever waits for it cuts them short. */
const stateRestMs = 25
const searchRestMs = 300
/** How long searches under way may take when the service ends. */
const searchesEndMs = 5_000
/** An admin token of fewer characters is taken, and warned of. */
const tokenLengthMin = 16

/**
 * Starts the embedded service on `config.DATA_DIR`, making what a first start needs. Throws what the log throws
 * (`LogInUse`, `LogUnreadable`, `NotWritten`) and plain errors that say what to do; whatever was begun is let go again.
 */
export async function startService(config: Config): Promise<Service> {
  const logger = pino(
    { level: config.LOG_LEVEL, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(2),
  )
  const closers: (() => Promise<unknown>)[] = []
  try {
    return await start(config, logger, closers, () => closeAll(closers))
  } catch (error) {
    await closeAll(closers).catch((failure: unknown) => logger.error({ err: failure }, 'not all could be let go'))
    throw error
  }
}

async function start(
  config: Config,
  logger: pino.Logger,
  closers: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Service> {
  const clock = (): Date => new Date()
  const dataDir = config.DATA_DIR
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const log = await openLog(config, logger)
  closers.push(() => log.close())
  closers.push(forgetDeadReaders(log, logger))
  const keys = KeyFiles.open(join(dataDir, 'keys'), nodeSuite, config.LEDGER_KEY, clock())
  const registry = await Registry.open(log, log.views, keys)
  const metrics = serviceMetrics({
    queued: () => sequencer.queued,
    ledgers: () => sequencer.ledgers(),
    head: ledger => sequencer.head(ledger)?.seq ?? -1,
    positions: ledger => ({
      state: state.follower.position(ledger),
      ...(search.follower && { search: search.follower.position(ledger) }),
    }),
  })
  diskMetrics(metrics.registry, dataDir)
  const onBehind = (view: string) => (error: unknown, retryInMs: number) => {
    metrics.viewFailures.inc({ view })
    logger.warn({ err: error, view, retryInMs }, 'a view could not follow; it is tried again')
  }
  const state = followState(await StateView.open(log.views), {
    log,
    batch: stateBatch,
    restMs: stateRestMs,
    onError: onBehind('state'),
  })
  const search = await openSearch({
    config,
    log,
    logger,
    restMs: searchRestMs,
    isBusy: () => sequencer.busy,
    onError: onBehind('search'),
  })
  closers.push(() => search.close())
  const sequencer: Sequencer = new Sequencer({
    log,
    suite: nodeSuite,
    signerOf: ledger => registry.signer(ledger),
    heads: await headsOf(log),
    queueEventsMax: config.QUEUE_EVENTS_MAX,
    batchEventsMax: appendEntriesMax,
    onAppended: (ledger, entries) => {
      registry.fold(ledger, entries)
      metrics.appended.inc({ ledger }, entries.length)
      metrics.batchEvents.observe(entries.length)
      state.follower.wake()
      search.follower?.wake()
    },
    onConflict: (ledger, event, first) => {
      metrics.conflicts.inc({ ledger })
      conflicts(ledger, event, first)
    },
  })
  closers.push(() => sequencer.stop())
  const origin = ensureOrigin(dataDir, config.ORIGIN)
  const conflicts = recordConflicts({ sequencer, origin, suite: nodeSuite, clock, logger })
  const admin = new Admin({ sequencer, registry, keys, origin, clock })
  if (sequencer.head(defaultLedger) === undefined) await admin.createLedger(defaultLedger, 'ledger')
  if ((config.ADMIN_TOKEN?.length ?? tokenLengthMin) < tokenLengthMin) {
    logger.warn('the configured admin token is short enough to be guessed')
  }
  const adminToken = await ensureAdminToken(dataDir, log, config.ADMIN_TOKEN, clock())

  state.follower.start()
  search.follower?.start()
  closers.push(() => state.follower.stop())
  const app = await buildApp({
    intake: guarded(sequencer, origin),
    log,
    leases: state.leases,
    search: search.search,
    control: log,
    admin,
    emitters: ledger => registry.emitters(ledger),
    health: () => healthOf({ sequencer, search: search.health(), state: state.follower }),
    metrics: metrics.registry,
    logger,
    clock,
    suite: nodeSuite,
    limits: limitsOf(config),
    version: manifest.version,
  })
  closers.push(async () => {
    // A search of a ClickHouse that hangs would hold up everybody else's end.
    const timer = setTimeout(() => void search.breakOff(), searchesEndMs)
    await app.close().finally(() => clearTimeout(timer))
  })
  const url = await app.listen({ host: config.HOST, port: config.PORT })
  logger.info({ url, dataDir, origin }, 'listening')
  return { url, adminToken, close }
}

/** The door for everybody else: what a ledger says of itself has its own source, and nobody else takes ids there. */
const guarded = (intake: EventIntake, origin: string): EventIntake => ({
  submit: (ledger, events) => {
    const own = `${origin}/${ledger}`
    const errors = events.flatMap(({ source }, n) =>
      source === own
        ? [{ pointer: events.length === 1 ? '/source' : `/${n}/source`, detail: 'is the source of the ledger itself' }]
        : [],
    )
    if (errors.length === 0) return intake.submit(ledger, events)
    return Promise.reject(new Fault('invalid-event', 'Only the ledger itself speaks under its own source.', errors))
  },
})

async function headsOf(log: LogReader): Promise<Map<string, Head>> {
  const heads = new Map<string, Head>()
  for (const ledger of await log.ledgers()) {
    const head = await log.head(ledger)
    if (head !== undefined) heads.set(ledger, head)
  }
  return heads
}

const limitsOf = (config: Config): Limits => ({
  ...defaultLimits,
  bodyBytesMax: config.BODY_BYTES_MAX,
  batchMax: config.BATCH_EVENTS_MAX,
  entryBytesMax: config.ENTRY_BYTES_MAX,
  depthMax: config.DEPTH_MAX,
  ratePerSecond: config.RATE_PER_TOKEN,
  rateBurst: 2 * config.RATE_PER_TOKEN,
  concurrencyMax: config.CONCURRENCY_MAX,
  ingestWaitMs: config.INGEST_WAIT_MS,
  readWaitMs: config.READ_WAIT_MS,
})
