import { join } from 'node:path'
import type { RunningKafka } from '../../infra/kafka/start.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { type Print, percentile } from './section.ts'

export const token = 'a-token-for-the-benchmark'
export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** The machine of one run: its broker, and how much is measured. */
export interface Place {
  readonly print: Print
  readonly dir: string
  readonly kafka: RunningKafka
  readonly rounds: number
  readonly durationMs: number
}

/** A service on the place's broker, in a folder of its own. */
export function start(place: Place, name: string, env: Record<string, string>): Promise<Serving> {
  return serve(join(place.dir, name), {
    AEP_LEDGER_KAFKA_BROKERS: place.kafka.bootstrap.join(),
    AEP_LEDGER_KEYS_DIR: join(place.dir, `keys-${env['AEP_LEDGER_KAFKA_PREFIX']}`),
    AEP_LEDGER_ADMIN_TOKEN: token,
    AEP_LEDGER_LOG_LEVEL: 'error',
    AEP_LEDGER_RATE_PER_TOKEN: '1000000',
    AEP_LEDGER_SEARCH: 'off',
    ...env,
  })
}
