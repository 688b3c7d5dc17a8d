import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { logFolder, look } from '../../log/embedded/folder.ts'
import type { EmbeddedLog } from '../../log/embedded/log.ts'
import { openEmbedded } from '../../log/embedded/open.ts'
import { positionsFile } from '../../log/kafka/positions.ts'
import { NotWritten, WriteUnknown } from '../../log/port.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { isUrl } from '../settings.ts'
import { isKafkaUrl, kafkaAddress } from '../source/kafka.ts'
import { type Opened, openSource } from '../source/open.ts'
import { type Besides, kafkaBesides } from './kafka-besides.ts'

/** Where ledgers can be copied from and to. */
export type Place =
  | { readonly kind: 'folder'; readonly about: string; readonly dir: string }
  | { readonly kind: 'kafka'; readonly about: string; readonly brokers: readonly string[]; readonly prefix: string }

/** Reads an argument. Throws usage errors. */
export function placeOf(text: string): Place {
  if (isKafkaUrl(text)) return { kind: 'kafka', about: text, ...kafkaAddress(text) }
  if (isUrl(text) || /^[a-z]+:\/\//.test(text)) {
    throw usageError(
      `${text} is no place to copy from or to.`,
      'Give a data folder or kafka://HOST:PORT[/PREFIX]; aep-ledger export reads a service.',
    )
  }
  if (existsSync(text) && !statSync(text).isDirectory())
    throw usageError(`${text} is no folder.`, 'Give a data folder or kafka://HOST:PORT[/PREFIX].')
  return { kind: 'folder', about: text, dir: resolve(text) }
}

/** Sees that two places are not one, as far as their names tell. Throws a usage error. */
export function checkApart(source: Place, target: Place): void {
  const same =
    source.kind === 'folder'
      ? target.kind === 'folder' && realOf(source.dir) === realOf(target.dir)
      : target.kind === 'kafka' &&
        source.prefix === target.prefix &&
        source.brokers.some(broker => target.brokers.map(plainAddress).includes(plainAddress(broker)))
  if (same) throw usageError(`${source.about} and ${target.about} are the same place.`, 'Name another target.')
}

const realOf = (dir: string): string => (existsSync(dir) ? realpathSync(dir) : dir)
const plainAddress = (broker: string): string => broker.toLowerCase().replace(/^localhost:/, '127.0.0.1:')

/** Ledgers to be read, and what lies beside them; reading changes nothing and disturbs nobody. */
export type Readable = Opened & Required<Pick<Opened, 'tokens'>>

/** Opens a source, while a service runs on it or not. Throws with what to do where there is none. */
export async function openForReading(place: Place, context: Context): Promise<Readable> {
  const opened = await openIfThere(place, context)
  if (opened !== undefined) return opened
  if (place.kind === 'folder') {
    throw usageError(`There is no log in ${place.about}.`, 'Name the data folder itself: the one that holds log/.')
  }
  throw usageError(
    `There is no topic ${place.prefix}.ledger at ${place.brokers.join()}.`,
    'Name the prefix of the topics behind the address: kafka://HOST:PORT/PREFIX.',
  )
}

/** The same for a place that may hold nothing yet. */
export async function openIfThere(place: Place, context: Context): Promise<Readable | undefined> {
  if (place.kind === 'folder') {
    if (!existsSync(logFolder(place.dir)) || look(logFolder(place.dir)) === 'begun') return undefined
    const opened = await openSource(place.about, {}, context)
    return { ...opened, tokens: async () => (await opened.tokens?.()) ?? [] }
  }
  const besides = await kafkaBesides(place).catch((error: Error) => {
    throw unreachable(place.about, error)
  })
  if (!besides.hasLedgers) {
    await besides.close()
    return undefined
  }
  const opened = await openSource(place.about, {}, context).catch(async (error: unknown) => {
    await besides.close()
    throw error
  })
  return withBesides(opened, besides)
}

function withBesides(opened: Opened, besides: Besides): Readable {
  const sources = opened.sources.map(source => ({
    ...source,
    async *entries(from: number) {
      try {
        yield* source.entries(from)
      } catch (error) {
        throw unreachable(opened.about, error as Error)
      }
    },
    record: (digest: string) => besides.record(digest),
  }))
  return {
    about: opened.about,
    sources,
    tokens: () => besides.tokens(),
    async close() {
      await besides.close()
      await opened.close()
    },
  }
}

const again = 'Run the same command again: it goes on where this one stopped.'

const unreachable = (about: string, error: Error): CliError =>
  new CliError(exitCodes.tryAgain, `${about} can't be read: ${error.message}.`, `Is a broker there? ${again}`, error)

/** A log to write to, with whatever was made for the time of writing alone. */
export interface Writable {
  readonly log: EmbeddedLog
  close(): Promise<void>
}

/** What a data folder may hold before ledgers are copied into it: keys are often brought there first. */
const ours = ['log', 'keys', 'views', 'origin', 'admin.token', 'clickhouse']

/**
 * Opens a target for writing, and makes it where there is none. In Kafka it takes the log over from whoever writes it;
 * its replica lies in `dataDir`, or in a folder that goes with it.
 */
export async function openForWriting(place: Place, dataDir: string | undefined): Promise<Writable> {
  if (place.kind === 'folder') {
    const log = await openEmbedded(place.dir)
    return { log, close: () => log.close() }
  }
  const dir = dataDir ?? mkdtempSync(join(tmpdir(), 'aep-ledger-copy-'))
  const drop = (): void => {
    if (dataDir === undefined) rmSync(dir, { recursive: true, force: true })
  }
  try {
    const { openKafkaLog } = await import('../../log/kafka/open.ts')
    const log = await openKafkaLog({ dir, brokers: place.brokers, prefix: place.prefix })
    return { log, close: () => log.close().finally(drop) }
  } catch (error) {
    drop()
    throw isKafkaTrouble(error) ? unreachable(place.about, error) : error
  }
}

/** What the client throws passes through the log; it is known by its name. */
const isKafkaTrouble = (error: unknown): error is Error => error instanceof Error && error.name.startsWith('Kafka')

/** Sees that a target can be one before anything is opened. Throws usage errors. */
export function checkTarget(place: Place, source: Place, dataDir: string | undefined): void {
  if (place.kind === 'kafka') {
    if (dataDir !== undefined && source.kind === 'folder' && realOf(resolve(dataDir)) === realOf(source.dir))
      throw usageError(`${dataDir} is the source.`, 'Name a new folder for the replica with --data-dir.')
    return
  }
  if (dataDir !== undefined)
    throw usageError('--data-dir is for a target in Kafka.', `The ledgers will lie in ${place.about} itself.`)
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
