import type { KafkaAccess } from './access.ts'
import { connectKafka, refusalOf } from './connect.ts'
import { asAsked, foundOrMade, type Installation, type Proposal, readInstallation } from './installation.ts'
import { type TopicFault, topicFaults, topicsOf } from './topics.ts'

/** What is to be said of an installation's topics before anybody writes to them. */
export interface Examined {
  /** Brokers that are up. */
  readonly brokers: number
  /** As it has to be; absent where nothing was made yet. */
  readonly installation?: Installation
  /** What would lose what is written; a service refuses to start with any of it. */
  readonly faults: readonly TopicFault[]
}

/**
 * Looks at the topics of `prefix` as a start would that asks for `replication` copies, and changes nothing, unless `make` says
 * how they are to be made where there are none; and they are not made while there are fewer brokers than copies. Throws
 * `KafkaRefused`, and what the client throws where no broker answers.
 */
export async function examineKafka(
  access: KafkaAccess,
  prefix: string,
  replication: number | undefined,
  make?: Omit<Proposal, 'replication'>,
): Promise<Examined> {
  const client = await connectKafka(access)
  try {
    const topics = topicsOf(prefix)
    const brokers = await client.brokers()
    const made =
      make === undefined || brokers < (replication ?? 1)
        ? await readInstallation(client, topics)
        : await foundOrMade(client, topics, `${prefix}.setup`, { ...make, replication })
    if (made === undefined) return { brokers, faults: [] }
    const installation = asAsked(made, replication)
    return { brokers, installation, faults: await topicFaults(client, topics, installation, access.brokers) }
  } catch (error) {
    throw refusalOf(error, access) ?? error
  } finally {
    await client.close()
  }
}
