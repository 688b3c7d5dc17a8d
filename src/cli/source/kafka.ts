import { readFrame } from '../../verify/frame.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import type { Opened, OpenOptions } from './open.ts'

export const isKafkaUrl = (text: string): boolean => text.startsWith('kafka://')

/** `kafka://host:port[,host:port…][/prefix]`, read. The prefix is `aep` unless given. */
export function kafkaAddress(text: string): { readonly brokers: readonly string[]; readonly prefix: string } {
  const [, list = '', prefix = 'aep'] = /^kafka:\/\/([^/\s]+:\d+)(?:\/([a-zA-Z0-9._-]+))?$/.exec(text) ?? []
  if (list === '')
    throw usageError(`${text} is no address of Kafka.`, 'Write kafka://host:port, and /prefix where it is not aep.')
  return { brokers: list.split(','), prefix }
}

/** The ledgers of a topic, read as they stand there. */
export async function openKafka(text: string, { ledger, expected = [] }: OpenOptions): Promise<Opened> {
  const { brokers, prefix } = kafkaAddress(text)
  const { openLedgerTopic } = await import('../../log/kafka/read.ts')
  const unreachable = (error: Error): never => {
    throw new CliError(
      exitCodes.tryAgain,
      `${text} can't be read: ${error.message}.`,
      'Is a broker there, and the topic of that prefix?',
      error,
    )
  }
  const topic = await openLedgerTopic(brokers, prefix).catch(unreachable)
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
