import type { KafkaAccess } from './access.ts'
import { ensureInstallation, type Installation, type Proposal, readInstallation } from './installation.ts'
import { kafkajsClient } from './kafkajs.ts'
import { refusalOf } from './kafkajs-refusal.ts'
import { type TopicFault, topicFaults, topicsOf } from './topics.ts'

/** What is to be said of an installation's topics before anybody writes to them. */
export interface Examined {
  /** Brokers that are up. */
  readonly brokers: number
  /** Absent where nothing was made yet. */
  readonly installation?: Installation
  /** What would lose what is written; a service refuses to start with any of it. */
  readonly faults: readonly TopicFault[]
}

/**
 * Looks at the topics of `prefix` as a start would, and changes nothing, unless `make` says how they are to be made where
 * there are none. Throws `KafkaRefused`, and what the client throws where no broker answers.
 */
export async function examineKafka(access: KafkaAccess, prefix: string, make?: Proposal): Promise<Examined> {
  const client = await kafkajsClient(access)
  try {
    const topics = topicsOf(prefix)
    const installation =
      make === undefined
        ? await readInstallation(client, topics)
        : await ensureInstallation(client, topics, `${prefix}.setup`, make)
    const brokers = await client.brokers()
    if (installation === undefined) return { brokers, faults: [] }
    return { brokers, installation, faults: await topicFaults(client, topics, installation) }
  } catch (error) {
    throw refusalOf(error, access) ?? error
  } finally {
    await client.close()
  }
}
