import { type KafkaAccess, KafkaRefused } from '../../log/kafka/access.ts'
import { readFrame } from '../../verify/frame.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import type { Opened, OpenOptions } from './open.ts'

export const isKafkaUrl = (text: string): boolean => text.startsWith('kafka://')

/**
 * `kafka://host:port[,host:port…][/prefix]`: the ledgers of a topic, read as they stand there. The prefix is `aep` unless
 * given; TLS and login are those of the service, AEP_LEDGER_KAFKA_….
 */
export async function openKafka(
  text: string,
  { ledger, expected = [] }: OpenOptions,
  context: Context,
): Promise<Opened> {
  const [, list = '', prefix = 'aep'] = /^kafka:\/\/([^/\s]+:\d+)(?:\/([a-zA-Z0-9._-]+))?$/.exec(text) ?? []
  if (list === '')
    throw usageError(`${text} is no address of Kafka.`, 'Write kafka://host:port, and /prefix where it is not aep.')
  const access = await accessOf(list.split(','), context)
  const { openLedgerTopic } = await import('../../log/kafka/read.ts')
  const unreachable = (error: Error): never => {
    if (error instanceof KafkaRefused) throw error
    throw new CliError(
      exitCodes.tryAgain,
      `${text} can't be read: ${error.message}.`,
      'Is a broker there, and the topic of that prefix?',
      error,
    )
  }
  const topic = await openLedgerTopic(access, prefix).catch(unreachable)
  const names =
    ledger === undefined ? [...new Set([...(await topic.ledgers().catch(unreachable)), ...expected])] : [ledger]
  return {
    about: text,
    sources: names.map(name => ({
      ledger: name,
      async *entries(from) {
        for await (const entries of topic.entries(name)) {
          // The topic has no places but its order: from a later one on by what the entries themselves say.
          const wanted = from === 0 ? entries : entries.filter(({ bytes }) => (readFrame(bytes)?.seq ?? -1) >= from)
          if (wanted.length > 0) yield wanted
        }
      },
    })),
    close: () => topic.close(),
  }
}

async function accessOf(brokers: readonly string[], context: Context): Promise<KafkaAccess> {
  const { kafkaAccessIn } = await import('../../service/kafka-settings.ts')
  const found = kafkaAccessIn(context.env, brokers)
  if (found.access === undefined) throw usageError(`The configuration does not fit:\n  ${found.errors.join('\n  ')}`)
  for (const warning of found.warnings) await context.err.line(`aep-ledger: ${warning}`)
  return found.access
}
