import { existsSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { logFolder, look } from '../../log/embedded/folder.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { isUrl } from '../settings.ts'
import { isKafkaUrl, type KafkaPlace, kafkaPlace, type OpenedTopic, openKafkaIfThere } from '../source/kafka.ts'
import { openSource } from '../source/open.ts'

/** Where ledgers can be copied from and to. */
export type Place =
  | { readonly kind: 'folder'; readonly about: string; readonly dir: string }
  | ({ readonly kind: 'kafka' } & KafkaPlace)

/** Reads an argument. Throws usage errors. */
export async function placeOf(text: string, context: Context): Promise<Place> {
  if (isKafkaUrl(text)) return { kind: 'kafka', ...(await kafkaPlace(text, context)) }
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
        source.access.brokers.some(broker => target.access.brokers.map(plainAddress).includes(plainAddress(broker)))
  if (same) throw usageError(`${source.about} and ${target.about} are the same place.`, 'Name another target.')
}

/** A folder by the name that all its names come to. */
export const realOf = (dir: string): string => (existsSync(dir) ? realpathSync(dir) : dir)
const plainAddress = (broker: string): string => broker.toLowerCase().replace(/^localhost:/, '127.0.0.1:')

/** What to do about a copy that was cut off. */
export const again = 'Run the same command again: it goes on where this one stopped.'

/** Ledgers to be read, and what lies beside them; reading changes nothing and disturbs nobody. */
export type Readable = OpenedTopic

/** Opens a source, while a service runs on it or not. Throws with what to do where there is none. */
export async function openForReading(place: Place, context: Context): Promise<Readable> {
  const opened = await openIfThere(place, context)
  if (opened !== undefined) return opened
  if (place.kind === 'folder') {
    throw usageError(`There is no log in ${place.about}.`, 'Name the data folder itself: the one that holds log/.')
  }
  throw usageError(
    `There is no topic ${place.prefix}.ledger at ${place.access.brokers.join()}.`,
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
  return openKafkaIfThere(place, {}, `Is a broker there? ${again}`)
}
