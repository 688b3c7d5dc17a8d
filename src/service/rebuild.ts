import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbedded } from '../log/embedded/open.ts'
import { openKafkaTopics } from '../log/kafka/open.ts'
import type { LogReader } from '../log/port.ts'
import type { ViewStore } from '../projections/store.ts'
import { type ClickHouse, openClickHouse } from '../query/clickhouse.ts'
import { startEngine } from '../query/engine.ts'
import { type RemakeLog, type RemakeOptions, remakeRows } from '../query/remake.ts'
import { type RowFinding, rowsAgainst } from '../query/rows-against.ts'
import { stateWriterId } from './cluster/state-owner.ts'
import { TopicState } from './cluster/state-remake.ts'
import type { Config } from './config.ts'
import { kafkaAccess } from './kafka-settings.ts'
import { engineFolder, hashLeaf, serverOf } from './search.ts'
import { type StateFinding, stateAgainst } from './state-view.ts'

/**
 * What `aep-ledger rebuild` does beside `rebuildState`. But for the rows of a server, whoever calls holds the log's writer lock,
 * so that nobody else writes views or rows.
 */

/** Holds the state view against a fold from nothing, which is made in a folder for the time being. */
export async function* checkState(
  log: LogReader & { readonly views: ViewStore },
  onFolded: (entries: number) => void,
): AsyncGenerator<StateFinding> {
  await using scratch = await openScratch()
  yield* stateAgainst(log, log.views, await scratch.store(), onFolded)
}

/** Holds the state topic of a cluster against the log; its services may run. */
export async function* checkTopicState(
  config: Config,
  log: LogReader,
  onFolded: (entries: number) => void,
): AsyncGenerator<StateFinding> {
  await using scratch = await openScratch()
  yield* (await scratch.topicState(config, log, onFolded)).check()
}

/** Writes the rows of the state topic that are not what the log adds up to, and says how many; the cluster's services may run. */
export async function mendTopicState(
  config: Config,
  log: LogReader,
  onFolded: (entries: number) => void,
): Promise<number> {
  await using scratch = await openScratch()
  return await (await scratch.topicState(config, log, onFolded)).mend()
}

interface Scratch extends AsyncDisposable {
  /** An empty store, until it is disposed of. */
  store(): Promise<ViewStore>
  topicState(config: Config, log: LogReader, onFolded: (entries: number) => void): Promise<TopicState>
}

/** Where views are made only to be compared. */
async function openScratch(): Promise<Scratch> {
  const folder = mkdtempSync(join(tmpdir(), 'aep-ledger-check-'))
  const closers: { close(): Promise<void> }[] = []
  const store = async (): Promise<ViewStore> => {
    const opened = await openEmbedded(join(folder, String(closers.length)))
    closers.push(opened)
    return opened.views
  }
  return {
    store,
    async topicState(config, log, onFolded) {
      const access = kafkaAccess(config, config.KAFKA_BROKERS ?? [])
      const { client, topics, installation } = await openKafkaTopics(access, config.KAFKA_PREFIX)
      closers.push(client)
      return TopicState.open({
        ...{ client, topic: topics.state, partitions: installation.partitions, log, onFolded },
        writerId: partition => stateWriterId(config.KAFKA_PREFIX, partition),
        held: await store(),
        fresh: await store(),
      })
    },
    async [Symbol.asyncDispose]() {
      for (const opened of closers) await opened.close().catch(() => {})
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Removes the service's own engine and its rows, so that the next start inserts them again. */
export const removeEngine = (config: Config): void => rmSync(engineFolder(config), { recursive: true, force: true })

/** Makes the rows of a ClickHouse server again beside those that serve; the services that use it may run. Throws as `remakeRows`. */
export const remakeServerRows = (
  config: Config,
  log: RemakeLog,
  options: Omit<RemakeOptions, 'hashLeaf'>,
): Promise<number> => remakeRows(serverOf(config), log, { ...options, hashLeaf })

/** Holds every row of search against the log; `onRead` hears how many entries were compared. */
export async function* checkRows(
  config: Config,
  log: LogReader,
  onRead: (entries: number) => void,
): AsyncGenerator<RowFinding & { readonly ledger: string }> {
  // No engine ever ran here: there are no rows, and it needs no start to say so.
  if (config.CLICKHOUSE_URL === undefined && !existsSync(engineFolder(config))) return
  const { rows, close } = await rowsOf(config)
  try {
    let compared = 0
    for (const ledger of await log.ledgers()) {
      const read = async (from: number, limit: number) => {
        let entries = await log.read(ledger, from, limit)
        // Another process of a cluster may have made rows of what this replica gets in a moment.
        for (let ms = 0; entries.length === 0 && config.KAFKA_BROKERS !== undefined && ms < lagMsMax; ms += lookMs) {
          await sleep(lookMs)
          entries = await log.read(ledger, from, limit)
        }
        compared += entries.length
        onRead(compared)
        return entries
      }
      for await (const finding of rowsAgainst(rows, ledger, read, hashLeaf)) yield { ...finding, ledger }
    }
  } finally {
    await close()
  }
}

async function rowsOf(config: Config): Promise<{ rows: ClickHouse; close(): Promise<void> }> {
  const engine =
    config.CLICKHOUSE_URL === undefined ? await startEngine({ dir: engineFolder(config), startMsMax }) : undefined
  const rows = await openClickHouse(engine ?? serverOf(config), { hashLeaf })
  const close = async (): Promise<void> => {
    await rows.close()
    await engine?.close()
  }
  if (engine === undefined) return { rows, close }
  // It tries for ever; whoever waits at a terminal does not.
  const failed = new Promise<never>((_, reject) => {
    engine.onChange((status, reason) => {
      if (status === 'down') reject(new Error(`ClickHouse does not start: ${reason ?? 'unknown'}`))
    })
  })
  failed.catch(() => {})
  try {
    await Promise.race([engine.ready, failed])
    return { rows, close }
  } catch (error) {
    await close()
    throw error
  }
}

const startMsMax = 60_000
/** How long rows may be ahead of the replica that they are compared with. */
const lagMsMax = 10_000
const lookMs = 100
