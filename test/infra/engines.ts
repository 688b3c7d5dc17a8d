import { spawnSync } from 'node:child_process'
import { findJava, findMaven } from '../../infra/kafka/java.ts'
import { lacking } from '../support/lacking.ts'

/** Why the tests of Kafka cannot run on this machine; `false` where they can. */
export const noKafka = await findJava()
  .then(findMaven)
  .then(
    () => false as const,
    (error: Error) => lacking(`no Kafka here: ${error.message}`),
  )

/** Why certificates cannot be made on this machine; `false` where they can. */
export const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : lacking('openssl does not run here')
