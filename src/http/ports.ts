import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { KeyRing } from '../aep/keyring.ts'
import type { Suite } from '../crypto/suite.ts'
import type { ControlStore } from '../log/control.ts'
import type { EventIntake } from '../log/intake.ts'
import type { LedgerLog, LogReader } from '../log/port.ts'
import type { LeaseView } from '../projections/port.ts'
import type { EventSearch } from '../query/port.ts'

/** Everything the HTTP room needs of the rest, passed in: it opens nothing itself. */
export interface AppPorts {
  readonly intake: EventIntake
  readonly log: LogReader & Pick<LedgerLog, 'putRecord'>
  readonly leases: LeaseView
  readonly search: EventSearch
  readonly control: ControlStore
  readonly admin: LedgerAdmin
  /** Keys of the emitters registered at `ledger` now; an empty ring for a ledger there is not. Must not throw. */
  readonly emitters: (ledger: string) => KeyRing
  /** How the parts of the service are, for `/readyz`. */
  readonly health: () => readonly HealthPart[]
  /** Metrics of the whole service: what `/metrics` shows, and where this room registers its own. */
  readonly metrics: Registry
  /** Text of the token that opens `/metrics` from anywhere, and nothing else. */
  readonly metricsToken?: string | undefined
  readonly logger: FastifyBaseLogger
  readonly clock: () => Date
  readonly suite: Suite
  readonly limits: Limits
  /** Version of the service, for OpenAPI. */
  readonly version: string
  /** Whether events are taken in and questions answered here; else the process only says how it is. */
  readonly isDoor?: boolean
  /** Whether this process doesn't hear of the log's growth now: nothing that it says is then known to be all. */
  readonly isCutOff?: () => boolean
}

export interface HealthPart {
  readonly name: string
  readonly ready: boolean
  readonly detail: string
  /** Whether the service is not ready without it: search is no such part, since ingest goes on when it fails. */
  readonly essential: boolean
}

/** A signing key of a ledger and the seqs that it signs: from `fromSeq` to `toSeq`, both inclusive. */
export interface LedgerKey {
  readonly keyId: string
  readonly alg: 'ed25519'
  /** 64 lower-case hex digits. */
  readonly publicHex: string
  readonly fromSeq: number
  /** Absent while the key is the ledger's newest. */
  readonly toSeq?: number
}

export interface EmitterKey {
  readonly keyId: string
  /** 64 lower-case hex digits. */
  readonly publicHex: string
  /** CloudEvents `source` prefixes that it signs for; empty: any. */
  readonly sources: readonly string[]
}

/**
 * What an admin does to ledgers. Each call appends `aep.ledger.*` entries, naming the token `by`, and resolves when they
 * are durable. Throws `Fault`: `ledger-unknown`, those named below, and those of `EventIntake.submit`.
 */
export interface LedgerAdmin {
  /** Makes a ledger; `ledger-exists` where there is one. */
  createLedger(name: string, by: string): Promise<void>
  /** All keys that signed in `ledger` and the one that signs now, by `fromSeq`. */
  keys(ledger: string): Promise<readonly LedgerKey[]>
  /** Makes a new signing key and puts it into force in every ledger; `log-unavailable` names those that could not take it. */
  rotateKey(by: string): Promise<RotatedKey>
  /**
   * Says in `ledger` that a key is not to be believed any more; the seq of the entry that says so. `not-found` where no
   * entry names the key; `invalid-request` where it signs now, is revoked since then already, or the seq is yet to come.
   */
  revokeKey(ledger: string, keyId: string, says: KeyRevocation, by: string): Promise<number>
  /** Registers an emitter's key, or gives one that is registered other sources. */
  registerEmitter(ledger: string, key: EmitterKey, by: string): Promise<void>
  /** Ends an emitter's key; `not-found` where it is not registered. */
  revokeEmitter(ledger: string, keyId: string, by: string): Promise<void>
}

export interface KeyRevocation {
  /** First seq at which somebody else may have signed with the key. */
  readonly compromisedSinceSeq?: number
  readonly reason?: string
}

export interface RotatedKey {
  readonly keyId: string
  readonly publicHex: string
  /** Ledgers that it signs from now on. */
  readonly ledgers: readonly string[]
}

/** Bounds of what one client may ask of the service. Every queue and loop of this room has one. */
export interface Limits {
  readonly bodyBytesMax: number
  /** Events in one request. */
  readonly batchMax: number
  /** Bytes of an entry; never over the format's 65,535. */
  readonly entryBytesMax: number
  /** Nesting of JSON in a body. */
  readonly depthMax: number
  /** What a token may send for good: an event counts one, and so does a request that brings none. */
  readonly ratePerSecond: number
  /** What a token may send at once after a rest. */
  readonly rateBurst: number
  /** Ingest requests under way at once. */
  readonly concurrencyMax: number
  /** Announced body bytes of the ingest requests under way at once. */
  readonly inFlightBytesMax: number
  /** Exports and followers under way at once. */
  readonly streamsMax: number
  /** How long a request waits for its events to be placed; then it is told that nobody knows. */
  readonly ingestWaitMs: number
  /** How long a read waits for its view to reach the head that was when it was asked. */
  readonly readWaitMs: number
  /** How often a follower that has nothing to tell says that it is there. */
  readonly heartbeatMs: number
  /** How often a follower looks for entries that another process wrote. */
  readonly followPollMs: number
  /** For a client to send its request whole: head, and head with body. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** After which a connection that moves no byte is closed: a reader that stalls, an idle connection. */
  readonly stallTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly headerBytesMax: number
}

export const defaultLimits: Limits = {
  bodyBytesMax: 8 * 1024 * 1024,
  batchMax: 1000,
  entryBytesMax: 65_535,
  depthMax: 64,
  ratePerSecond: 50_000,
  rateBurst: 100_000,
  concurrencyMax: 512,
  inFlightBytesMax: 128 * 1024 * 1024,
  streamsMax: 64,
  ingestWaitMs: 30_000,
  readWaitMs: 2000,
  heartbeatMs: 15_000,
  followPollMs: 250,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  stallTimeoutMs: 60_000,
  keepAliveTimeoutMs: 10_000,
  headerBytesMax: 16_384,
}
