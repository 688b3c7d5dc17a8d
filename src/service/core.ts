import type { Logger } from 'pino'
import type { Suite } from '../crypto/suite.ts'
import type { HealthPart } from '../http/ports.ts'
import type { Head, StoredEntry } from '../ledger/entry.ts'
import type { EmbeddedLog } from '../log/embedded/log.ts'
import type { LogReader } from '../log/port.ts'
import type { KeyCustody } from './admin.ts'
import type { Config } from './config.ts'
import type { KeyFiles } from './key-files.ts'
import type { ServiceMetrics } from './metrics.ts'
import type { OnConflict, Placing } from './placing.ts'
import type { Registry } from './registry.ts'
import type { FollowState } from './state-view.ts'

/** What the two ways to run have in common: a log, who signs in it, and what gives events their places. */
export interface Core {
  readonly log: EmbeddedLog
  readonly registry: Registry
  readonly placing: Placing
  /** Name of the installation. */
  readonly origin: string
  /** The log as far as this process is to keep rows of it for search. */
  readonly followed: LogReader
  /** How the state view is kept up, where this process does not fold it alone. */
  readonly followState?: FollowState
  /** How keys are kept, where other processes sign. */
  readonly custody?: KeyCustody
  /** Does what the log may refuse for the time being: it is tried until it is done. */
  patiently<T>(work: () => Promise<T>): Promise<T>
  /** Whether this process doesn't hear of the log's growth now, which is elsewhere. */
  readonly isCutOff?: () => boolean
  /** How its own parts are. */
  health(): readonly HealthPart[]
  /** Begins to place events. */
  start(): Promise<void>
}

export interface CoreParts {
  readonly config: Config
  readonly logger: Logger
  readonly suite: Suite
  readonly clock: () => Date
  readonly keys: KeyFiles
  readonly metrics: ServiceMetrics
  /** Hears of entries when they are durable, ledger by ledger, in order; must not throw. */
  readonly onGrown: (ledger: string, entries: readonly StoredEntry[]) => void
  readonly onConflict: OnConflict
  /** Takes what is to be let go again at the end, last first. */
  readonly closers: (() => Promise<unknown>)[]
}

export async function headsOf(log: LogReader): Promise<Map<string, Head>> {
  const heads = new Map<string, Head>()
  for (const ledger of await log.ledgers()) {
    const head = await log.head(ledger)
    if (head !== undefined) heads.set(ledger, head)
  }
  return heads
}
