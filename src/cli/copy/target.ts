import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { EmbeddedLog } from '../../log/embedded/log.ts'
import { openEmbedded } from '../../log/embedded/open.ts'
import { positionsFile } from '../../log/kafka/positions.ts'
import { NotWritten, WriteUnknown } from '../../log/port.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { openKafkaTarget } from './kafka-target.ts'
import { again, type Place, realOf } from './places.ts'

/** What a target is to be made like, where it is new; all but `origin` are for Kafka. */
export interface TargetOptions {
  /** Folder for the replica. */
  readonly dataDir: string | undefined
  /** What a target without a name is called from now on. */
  readonly origin: string | undefined
  readonly partitions: number | undefined
  readonly replication: number | undefined
}

/** A log to write to, with whatever was made for the time of writing alone. */
export interface Writable {
  readonly log: EmbeddedLog
  /** The installation's name, as the target has it. */
  origin(): string | undefined
  /** Before the first question about a ledger: from here on nobody else writes it. */
  begin(ledger: string): Promise<void>
  /** Resolves when what was written can be read from where it lies; a target that was given a ledger has a name then. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** Opens a target for writing, and makes it where there is none. */
export async function openForWriting(place: Place, options: TargetOptions): Promise<Writable> {
  if (place.kind === 'kafka') return openKafkaTarget(place, options)
  const log = await openEmbedded(place.dir)
  const { origin } = options
  const { keepOrigin, keptOrigin } = await import('../../service/first-start.ts')
  return {
    log,
    origin: () => keptOrigin(place.dir),
    begin: async () => {},
    async settle() {
      if (origin !== undefined && (await log.ledgers()).length > 0) keepOrigin(place.dir, origin)
    },
    close: () => log.close(),
  }
}

/** What a data folder may hold before ledgers are copied into it: keys are often brought there first. */
const ours = ['log', 'keys', 'views', 'origin', 'admin.token', 'clickhouse']

/** Sees that a target can be one before anything is opened. Throws usage errors. */
export function checkTarget(place: Place, source: Place, options: Omit<TargetOptions, 'origin'>): void {
  const { dataDir, partitions, replication } = options
  if (place.kind === 'kafka') {
    if (dataDir !== undefined && source.kind === 'folder' && realOf(resolve(dataDir)) === realOf(source.dir))
      throw usageError(`${dataDir} is the source.`, 'Name a new folder for the replica with --data-dir.')
    return
  }
  const given = { '--data-dir': dataDir, '--partitions': partitions, '--replication': replication }
  for (const [option, value] of Object.entries(given)) {
    if (value !== undefined)
      throw usageError(`${option} is for a target in Kafka.`, `The ledgers will lie in ${place.about} itself.`)
  }
  const names = existsSync(place.dir) ? readdirSync(place.dir) : []
  if (names.includes(positionsFile)) {
    throw usageError(
      `${place.about} holds a replica of a log in Kafka.`,
      'Name a new folder, or the address of that Kafka.',
    )
  }
  const strange = names.find(name => !ours.includes(name))
  if (strange !== undefined)
    throw usageError(`${place.about} holds ${strange}, and is no data folder.`, 'Name a new folder, or a data folder.')
}

/** What a target's log threw, as people are told it. */
export function targetTrouble(error: unknown, about: string): unknown {
  if (error instanceof WriteUnknown) {
    return new CliError(exitCodes.tryAgain, `It is not known whether ${about} has the last batch.`, again, error)
  }
  if (!(error instanceof NotWritten) || error.reason === 'full' || error.reason === 'read-only') return error
  const isElsewhere = error.reason === 'head-moved' || error.reason === 'closed'
  const hint = isElsewhere ? `Stop who writes ${about} besides. ${again}` : again
  return new CliError(exitCodes.tryAgain, error.message, hint, error)
}
