import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbedded } from '../log/embedded/open.ts'
import { positionsFile } from '../log/kafka/positions.ts'
import { LogUnreadable } from '../log/port.ts'
import { type Core, type CoreParts, headsOf } from './core.ts'
import { ensureOrigin, fixedOrigin, keptOrigin } from './first-start.ts'
import { Registry } from './registry.ts'
import { Sequencer } from './sequencer.ts'

/** Entries that one append takes at most, unless one request brings more: bounds how long a reply waits for others. */
const appendEntriesMax = 1_000

/** The embedded way: the log is in the data folder, and this process is all there is. */
export async function openSingle(parts: CoreParts): Promise<Core> {
  const { config, suite, keys, closers, onGrown, onConflict } = parts
  const { DATA_DIR } = config
  if (existsSync(join(DATA_DIR, positionsFile))) {
    throw new LogUnreadable(
      `${DATA_DIR} holds a replica of a log in Kafka: set AEP_LEDGER_KAFKA_BROKERS, or name another data folder.`,
    )
  }
  const log = await openEmbedded(DATA_DIR)
  closers.push(() => log.close())
  const fixed = await fixedOrigin(log, keptOrigin(DATA_DIR), config.ORIGIN)
  const origin = fixed ?? ensureOrigin(DATA_DIR, config.ORIGIN)
  const registry = await Registry.open(log, log.views, keys)
  const placing = new Sequencer({
    log,
    suite,
    signerOf: ledger => registry.signer(ledger),
    heads: await headsOf(log),
    queueEventsMax: config.QUEUE_EVENTS_MAX,
    batchEventsMax: appendEntriesMax,
    onAppended: (ledger, entries) => {
      registry.fold(ledger, entries)
      onGrown(ledger, entries)
    },
    onConflict,
  })
  closers.push(() => placing.stop())
  return {
    ...{ log, registry, placing, origin, followed: log },
    ...{ health: () => [], start: async () => {}, patiently: work => work() },
  }
}
