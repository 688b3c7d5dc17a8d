import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LogUnreadable } from '../port.ts'

/** How far each topic was read into the replica. What is lost of it is read again, and recognised. */
export interface Positions {
  /** Offset to read from next; 0 at first. */
  get(topic: string): number
  set(topic: string, offset: number): void
  save(): void
}

/** Sets between two saves: so much at most is read again after a crash. */
const setsPerSave = 1_000

export const positionsFile = 'kafka.json'

/**
 * Positions in the folder `dir`, which says by this file that it holds a replica, and of which topics. Throws `LogUnreadable`
 * where it holds a log of its own, or a replica of other topics: what is there would be taken for what is in these.
 */
export function openPositions(dir: string, topics: readonly string[]): Positions {
  const path = join(dir, positionsFile)
  const isReplica = existsSync(path)
  if (!isReplica && existsSync(join(dir, 'log'))) {
    throw new LogUnreadable(`${dir} holds a log of its own, which is not in Kafka: name another data folder.`)
  }
  const offsets = new Map(isReplica ? Object.entries(parse(path)) : topics.map(topic => [topic, 0]))
  const other = topics.find(topic => !offsets.has(topic))
  if (other !== undefined) {
    throw new LogUnreadable(
      `${dir} holds a replica of ${[...offsets.keys()].join(', ')}, not of ${other}: name another data folder.`,
    )
  }
  let unsaved = 0
  const save = (): void => {
    writeFileSync(`${path}.new`, `${JSON.stringify(Object.fromEntries(offsets), null, 2)}\n`)
    renameSync(`${path}.new`, path)
    unsaved = 0
  }
  if (!isReplica) save()
  return {
    get: topic => offsets.get(topic) ?? 0,
    set(topic, offset) {
      offsets.set(topic, offset)
      unsaved += 1
      if (unsaved >= setsPerSave) save()
    },
    save,
  }
}

function parse(path: string): Record<string, number> {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>
    if (Object.values(value).every(offset => Number.isSafeInteger(offset) && offset >= 0)) return value
  } catch {}
  throw new LogUnreadable(`${path} is damaged. Remove it: the log is then read from Kafka again.`)
}
