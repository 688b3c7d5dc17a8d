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

/** Positions in `kafka.json` of the folder `dir`. */
export function openPositions(dir: string): Positions {
  const path = join(dir, 'kafka.json')
  const offsets = new Map<string, number>(existsSync(path) ? Object.entries(parse(path)) : [])
  let unsaved = 0
  const save = (): void => {
    writeFileSync(`${path}.new`, `${JSON.stringify(Object.fromEntries(offsets), null, 2)}\n`)
    renameSync(`${path}.new`, path)
    unsaved = 0
  }
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
