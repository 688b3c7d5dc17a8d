import { type KafkaAccess, KafkaRefused } from '../../log/kafka/access.ts'
import { LogUnreadable } from '../../log/port.ts'
import { readFrame } from '../../verify/frame.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { kafkaBesides } from './kafka-besides.ts'
import type { Opened, OpenOptions, OpenSource } from './open.ts'

export const isKafkaUrl = (text: string): boolean => text.startsWith('kafka://')

/** The topics of an installation, and the way to them. */
export interface KafkaPlace {
  /** As it was named. */
  readonly about: string
  readonly access: KafkaAccess
  readonly prefix: string
}

/**
 * `kafka://host:port[,host:port…][/prefix]`, read. The prefix is `aep` unless given; TLS and login are those of the service,
 * AEP_LEDGER_KAFKA_….
 */
export async function kafkaPlace(text: string, context: Context): Promise<KafkaPlace> {
  const [, list = '', prefix = 'aep'] = /^kafka:\/\/([^/\s]+:\d+)(?:\/([a-zA-Z0-9._-]+))?$/.exec(text) ?? []
  if (list === '')
    throw usageError(`${text} is no address of Kafka.`, 'Write kafka://host:port, and /prefix where it is not aep.')
  const { kafkaAccessIn } = await import('../../service/kafka-settings.ts')
  const found = kafkaAccessIn(context.env, list.split(','))
  if (found.access === undefined) throw usageError(`The configuration does not fit:\n  ${found.errors.join('\n  ')}`)
  for (const warning of found.warnings) await context.err.line(`aep-ledger: ${warning}`)
  return { about: text, access: found.access, prefix }
}

/** What was read, and what lies beside it. */
export type OpenedTopic = Opened & Required<Pick<Opened, 'tokens'>>

/**
 * The ledgers of a topic, read as they stand there, with the records that are kept beside them. A cluster that fails in the middle
 * is an error to try again after.
 */
export async function openKafka(place: KafkaPlace, options: OpenOptions): Promise<OpenedTopic> {
  const hint = 'Is a broker there, and the topic of that prefix?'
  const opened = await openKafkaIfThere(place, options, hint)
  if (opened !== undefined) return opened
  throw unreachable(place.about, new Error(`There is no topic ${place.prefix}.ledger`), hint)
}

/** The same for topics that may not have been made yet. `hint` says what to do about a cluster that fails. */
export async function openKafkaIfThere(
  place: KafkaPlace,
  { ledger, expected = [] }: OpenOptions,
  hint: string,
): Promise<OpenedTopic | undefined> {
  const { about, access, prefix } = place
  const { openLedgerTopic } = await import('../../log/kafka/read.ts')
  const unreadable = (error: unknown): never => {
    throw unreachable(about, error, hint)
  }
  const topic = await openLedgerTopic(access, prefix).catch((error: unknown) =>
    error instanceof LogUnreadable ? undefined : unreadable(error),
  )
  if (topic === undefined) return undefined
  const found = ledger === undefined ? topic.ledgers() : Promise.resolve([ledger])
  const names = await found.catch(async error => {
    await topic.close()
    return unreadable(error)
  })
  const besides = kafkaBesides(place)
  const sourceOf = (name: string): OpenSource => ({
    ledger: name,
    async *entries(from) {
      try {
        for await (const entries of topic.entries(name)) {
          // The topic has no places but its order: from a later one on by what the entries themselves say.
          const wanted = from === 0 ? entries : entries.filter(({ bytes }) => (readFrame(bytes)?.seq ?? -1) >= from)
          if (wanted.length > 0) yield wanted
        }
      } catch (error) {
        unreadable(error)
      }
    },
    record: digest => besides.record(digest).catch(unreadable),
  })
  return {
    about,
    sources: [...new Set([...names, ...(ledger === undefined ? expected : [])])].map(sourceOf),
    tokens: () => besides.tokens().catch(unreadable),
    async close() {
      await besides.close()
      await topic.close()
    },
  }
}

/** What the client of a cluster threw, as people are told it: a refusal says itself what to mend. */
export const unreachable = (about: string, error: unknown, hint: string): Error => {
  if (error instanceof KafkaRefused || error instanceof CliError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new CliError(exitCodes.tryAgain, `${about} can't be read: ${why.replace(/\.$/, '')}.`, hint, error)
}
