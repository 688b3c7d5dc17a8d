import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Time for the brokers of a process that was killed to die after it. */
const dyingMs = 1_000

/**
 * Takes `dir` for this process; returns what gives it back. Throws, naming the holder, when a living process has it.
 * Kafka's own lock comes too late: a second broker has written into the first one's metadata by then, and broken it.
 */
export async function lock(dir: string): Promise<() => void> {
  const file = join(dir, 'lock')
  mkdirSync(dir, { recursive: true })
  if (!take(file)) {
    const holder = Number(readFileSync(file, 'utf8'))
    if (isAlive(holder)) {
      throw new Error(
        `process ${holder} has ${dir} open: end it, or name another folder (if it is not Kafka: remove ${file})`,
      )
    }
    rmSync(file, { force: true })
    await sleep(dyingMs)
    if (!take(file)) throw new Error(`another process has ${dir} open: name another folder`)
  }
  return () => rmSync(file, { force: true })
}

function take(file: string): boolean {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
