import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KafkaLog } from '../../log/kafka/log.ts'
import { LogInUse, LogUnreadable, NotWritten } from '../../log/port.ts'
import { usageError } from '../exit.ts'
import { type KafkaPlace, unreachable } from '../source/kafka.ts'
import { again } from './places.ts'
import type { TargetOptions, Writable } from './target.ts'

/**
 * Opens a target in Kafka, and makes its topics and its installation where there are none. The replica lies in `dataDir`, or
 * in a folder that goes with it.
 */
export async function openKafkaTarget(place: KafkaPlace, options: TargetOptions): Promise<Writable> {
  const { about, access, prefix } = place
  const { dataDir, origin, partitions, replication } = options
  const dir = dataDir ?? mkdtempSync(join(tmpdir(), 'aep-ledger-copy-'))
  const drop = (): void => {
    if (dataDir === undefined) rmSync(dir, { recursive: true, force: true })
  }
  try {
    const { openKafkaLog } = await import('../../log/kafka/open.ts')
    const made = { ...(origin && { origin }), ...(partitions && { partitions }), ...(replication && { replication }) }
    const log = await openKafkaLog({ dir, access, prefix, ...made })
    const { installation } = log
    const close = async (): Promise<void> => {
      await log.close()
      drop()
    }
    if (partitions !== undefined && installation.partitions !== partitions) {
      await close()
      throw usageError(
        `${about} has ${installation.partitions} partitions, and keeps them.`,
        'Leave --partitions out, or name a new prefix.',
      )
    }
    return {
      log,
      origin: () => installation.origin,
      begin: ledger => own(log, ledger, about),
      settle: () => settle(log, about),
      close,
    }
  } catch (error) {
    drop()
    throw trouble(error, about)
  }
}

/**
 * Takes the partition of a ledger over before its head is asked for: a copy that was killed may have left a commit under way,
 * which ends by that, one way or the other.
 */
async function own(log: KafkaLog, ledger: string, about: string): Promise<void> {
  const partition = log.partitionOf(ledger)
  if (partition.isOwned) return
  await partition.own().catch(error => {
    throw trouble(error, about)
  })
}

const settleMsMax = 60_000

/**
 * Resolves when readers of committed records are shown all that was written. A commit is answered before its markers stand in
 * the partitions, and until then readers are shown none of it.
 */
async function settle(log: KafkaLog, about: string): Promise<void> {
  for (const partition of log.partitions.filter(({ isOwned }) => isOwned)) {
    const isShown = await partition.isShown(settleMsMax).catch(error => {
      throw trouble(error, about)
    })
    if (isShown) continue
    throw unreachable(about, new Error(`Partition ${partition.number} does not show what was written to it`), again)
  }
}

/** What is neither the log's own word nor ours is the client's. */
const trouble = (error: unknown, about: string): unknown =>
  error instanceof LogUnreadable || error instanceof LogInUse || error instanceof NotWritten || isOfFiles(error)
    ? error
    : unreachable(about, error, `Is a broker there? ${again}`)

const isOfFiles = (error: unknown): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).path !== undefined
