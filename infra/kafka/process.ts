import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'

/** One life of a broker. */
export interface BrokerProcess {
  readonly pid: number
  /** Resolves when it is gone, with why, in words that a person can act on. */
  readonly gone: Promise<string>
  /** SIGTERM, and SIGKILL to one that takes longer than `msMax`; resolves when it is gone. */
  end(msMax: number): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts `java` with `args`, what it says going to the end of `log`. It dies with this process, however that ends. */
export function startProcess(java: string, args: readonly string[], log: string): BrokerProcess {
  const out = openSync(log, 'a')
  const before = statSync(log).size
  // Of its own process group: Ctrl-C at a terminal ends this process, and this process ends its brokers.
  const child = spawn(java, args, { stdio: ['ignore', out, out], detached: true })
  closeSync(out)
  const watch = child.pid === undefined ? undefined : watchdog(child.pid)
  const gone = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('exit', (code, signal) => {
      watch?.kill('SIGKILL')
      resolve(why(log, before, signal ?? `code ${code}`))
    })
  })
  const signal = (name: NodeJS.Signals): void => void child.kill(name)
  return {
    pid: child.pid ?? 0,
    gone,
    kill: async () => {
      signal('SIGKILL')
      await gone
    },
    end: async msMax => {
      signal('SIGTERM')
      const timer = setTimeout(() => signal('SIGKILL'), msMax)
      await gone
      clearTimeout(timer)
    },
  }
}

/** Waits for the end of its stdin, whose other end is held by this process alone, then kills `pid`. */
function watchdog(pid: number): ChildProcess {
  const script = 'read -r nothing; kill -KILL "$0"'
  const child = spawn('/bin/sh', ['-c', script, String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.stdin?.on('error', () => {})
  return child
}

const plain: readonly (readonly [RegExp, string])[] = [
  [/Failed to acquire lock on file/, 'another process has its folder open'],
  [/Address already in use/, 'its port is taken by another process: choose another with --port'],
  [/No space left on device/, 'the disk is full'],
  [/OutOfMemoryError|insufficient memory/, 'the machine has too little memory'],
]

function why(log: string, before: number, end: string): string {
  const said = readFileSync(log).subarray(before).toString('utf8')
  const cause = plain.find(([pattern]) => pattern.test(said))?.[1]
  return `${cause ?? `it ended with ${end}`} (${log})`
}
