import { findJava, findMaven } from '../../infra/kafka/java.ts'

/** Why the tests of Kafka cannot run on this machine; `false` where they can. */
export const noKafka = await findJava()
  .then(findMaven)
  .then(
    () => false as const,
    (error: Error) => `no Kafka here: ${error.message}`,
  )
