import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LogUnreadable } from '../port.ts'
import { type Place, placeText } from './client.ts'

/** How far a place was read into the replica. */
export interface Position {
  /** Offset to read from next. */
  readonly offset: number
  /** Of a partition of the ledger topic: the offset of intake that comes next after all that was read. */
  readonly intake: number
}

/** How far each place was read into the replica. What is lost of it is read again, and recognised. */
export interface Positions {
  /** From the beginning at first. */
  get(place: Place): Position
  set(place: Place, position: Position): void
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
  const held: Held = isReplica ? parse(path) : { topics, positions: {} }
  const other = topics.find(topic => !held.topics.includes(topic))
  if (other !== undefined) {
    throw new LogUnreadable(
      `${dir} holds a replica of ${held.topics.join(', ')}, not of ${other}: name another data folder.`,
    )
  }
  const positions = new Map(Object.entries(held.positions))
  let unsaved = 0
  const save = (): void => {
    const text = JSON.stringify({ topics, positions: Object.fromEntries(positions) } satisfies Held, null, 2)
    writeFileSync(`${path}.new`, `${text}\n`, { flush: true })
    renameSync(`${path}.new`, path)
    unsaved = 0
  }
  if (!isReplica) save()
  return {
    get: place => positions.get(placeText(place)) ?? { offset: 0, intake: 0 },
    set(place, position) {
      positions.set(placeText(place), position)
      unsaved += 1
      if (unsaved >= setsPerSave) save()
    },
    save,
  }
}

interface Held {
  readonly topics: readonly string[]
  readonly positions: Readonly<Record<string, Position>>
}

function parse(path: string): Held {
  try {
    const { topics, positions } = JSON.parse(readFileSync(path, 'utf8')) as Held
    const isSound = Object.values(positions).every(({ offset, intake }) => isOffset(offset) && isOffset(intake))
    if (isSound && topics.every(topic => typeof topic === 'string')) return { topics, positions }
  } catch {}
  throw new LogUnreadable(
    `${path} is damaged. Move the keys out of ${dirname(path)}, if they are in it, and remove the folder: the log is then read from Kafka again.`,
  )
}

const isOffset = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
