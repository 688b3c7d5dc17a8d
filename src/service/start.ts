import { mkdirSync } from 'node:fs'
import { pino } from 'pino'
import manifest from '../../package.json' with { type: 'json' }
import { Fault } from '../base/fault.ts'
import { nodeSuite } from '../crypto/node.ts'
import { buildApp } from '../http/app.ts'
import { defaultLimits, type Limits } from '../http/ports.ts'
import type { EventIntake } from '../log/intake.ts'
import { Admin, defaultLedger } from './admin.ts'
import { closeAll } from './close-all.ts'
import { openCluster } from './cluster/open.ts'
import type { Config } from './config.ts'
import { recordConflicts } from './conflicts.ts'
import { forgetDeadReaders } from './dead-readers.ts'
import { diskMetrics } from './disk-metrics.ts'
import { ensureAdminToken } from './first-start.ts'
import { healthOf } from './health.ts'
import { KeyFiles, keysFolder } from './key-files.ts'
import { serviceMetrics } from './metrics.ts'
import type { Placing } from './placing.ts'
import { openSearch } from './search.ts'
import { openSingle } from './single.ts'
import { followState, StateView } from './state-view.ts'
import { openWaitingRoom } from './waiting-room.ts'

/** A running service. */
export interface Service {
  /** Where it listens: `http://host:port`. */
  readonly url: string
  /** File of the admin token, when this start wrote it. */
  readonly adminToken: string | undefined
  /** Takes nothing more, finishes what was taken, answers it, and lets go of everything. */
  close(): Promise<void>
}

const stateBatch = 5_000
/** Rests between steps: a view that lags by so little costs ingest less, and whoever waits for it cuts them short. */
const stateRestMs = 25
const searchRestMs = 300
/** How long searches under way may take when the service ends. */
const searchesEndMs = 5_000
/** An admin token of fewer characters is taken, and warned of. */
const tokenLengthMin = 16

/**
 * Starts the service on `config.DATA_DIR`, embedded or as a process of a cluster, making what a first start needs. Throws what the log throws
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
  const { DATA_DIR: dataDir, ROLES: roles, KAFKA_BROKERS: brokers } = config
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const room = brokers === undefined ? undefined : await openWaitingRoom(config, `Kafka at ${brokers.join()}`)
  if (room !== undefined) closers.push(() => room.close())
  // Among several processes, the first makes the key that the others are to be given.
  const makeAt = brokers === undefined ? clock() : undefined
  const keys = KeyFiles.open(keysFolder(config), nodeSuite, config.LEDGER_KEY, makeAt)
  // A process that only seals has no use for it.
  const keepsState = roles.includes('http') || roles.includes('follower')
  const metrics = serviceMetrics({
    roles,
    queued: () => placing.queued,
    ledgers: () => placing.ledgers(),
    head: ledger => placing.head(ledger)?.seq ?? -1,
    positions: ledger => ({
      ...(keepsState && { state: state.follower.position(ledger) }),
      ...(search.follower?.follows(ledger) && { search: search.follower.position(ledger) }),
    }),
  })
  diskMetrics(metrics.registry, dataDir)
  const grown: (() => void)[] = []
  const core = await (brokers === undefined ? openSingle : openCluster)({
    ...{ config, logger, suite: nodeSuite, clock, keys, metrics, closers },
    onGrown: (ledger, entries) => {
      metrics.appended.inc({ ledger }, entries.length)
      metrics.batchEvents.observe(entries.length)
      for (const wake of grown) wake()
    },
    onConflict: (ledger, event, first) => {
      metrics.conflicts.inc({ ledger })
      conflicts(ledger, event, first)
    },
  })
  const { log, registry, placing, origin } = core
  closers.push(forgetDeadReaders(log, logger))
  const onBehind = (view: string) => (error: unknown, retryInMs: number) => {
    metrics.viewFailures.inc({ view })
    logger.warn({ err: error, view, retryInMs }, 'a view could not follow; it is tried again')
  }
  const state = (core.followState ?? followState)(await StateView.open(log.views), {
    log,
    batch: stateBatch,
    restMs: stateRestMs,
    onError: onBehind('state'),
  })
  const search = await openSearch({
    config,
    log,
    followed: roles.includes('follower') ? core.followed : undefined,
    logger,
    restMs: searchRestMs,
    isBusy: () => placing.busy,
    onError: onBehind('search'),
  })
  closers.push(() => search.close())
  grown.push(
    () => state.follower.wake(),
    () => search.follower?.wake(),
  )
  const conflicts = recordConflicts({ placing, origin, suite: nodeSuite, clock, logger })
  const admin = new Admin({ placing, registry, keys, origin, clock, ...(core.custody && { custody: core.custody }) })
  await core.start()
  if (roles.includes('sequencer')) await core.patiently(() => ensureLedger(admin, placing))
  for (const [what, token] of [
    ['admin', config.ADMIN_TOKEN],
    ['metrics', config.METRICS_TOKEN],
  ] as const) {
    if ((token?.length ?? tokenLengthMin) < tokenLengthMin) {
      logger.warn(`the configured ${what} token is short enough to be guessed`)
    }
  }
  const isDoor = roles.includes('http')
  const adminToken = isDoor
    ? await core.patiently(() => ensureAdminToken(dataDir, log, config.ADMIN_TOKEN, clock()))
    : undefined

  if (keepsState) state.follower.start()
  search.follower?.start()
  closers.push(() => state.follower.stop())
  const app = await buildApp({
    intake: guarded(placing, origin),
    log,
    leases: state.leases,
    search: search.search,
    control: log,
    admin,
    emitters: ledger => registry.emitters(ledger),
    health: () =>
      healthOf({ placing, own: core.health(), search: search.health(), ...(keepsState && { state: state.follower }) }),
    metrics: metrics.registry,
    metricsToken: config.METRICS_TOKEN,
    logger,
    clock,
    suite: nodeSuite,
    limits: limitsOf(config),
    version: manifest.version,
    isDoor,
    ...(core.isCutOff && { isCutOff: core.isCutOff }),
  })
  closers.push(async () => {
    // A search of a ClickHouse that hangs would hold up everybody else's end.
    const timer = setTimeout(() => void search.breakOff(), searchesEndMs)
    await app.close().finally(() => clearTimeout(timer))
  })
  await room?.close()
  const url = await app.listen({ host: config.HOST, port: room?.port ?? config.PORT })
  logger.info({ url, dataDir, origin, roles }, 'listening')
  return { url, adminToken, close }
}

/** Makes the ledger that every installation has, unless it is there: of several processes, one does. */
async function ensureLedger(admin: Admin, placing: Placing): Promise<void> {
  if (placing.head(defaultLedger) !== undefined) return
  await admin.createLedger(defaultLedger, 'ledger').catch((error: unknown) => {
    if (!(error instanceof Fault && error.code === 'ledger-exists')) throw error
  })
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
