import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ChildTask, Said } from './child.ts'

const childFile = fileURLToPath(new URL('child.ts', import.meta.url))

const running = new Set<Child>()

afterEach(async () => {
  await Promise.all([...running].map(child => child.kill()))
})

/** A child at work, and all that it has said. It is killed after the test that began it. */
export class Child {
  readonly process: ChildProcess
  readonly said: Said[] = []
  readonly ended: Promise<number | null>
  #heard: (() => void)[] = []

  /** `around`: a command that runs the child's, `['strace', '-f']`. */
  constructor(dir: string, task: ChildTask, around: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    const [command = '', ...args] = [...around, process.execPath, childFile, dir, JSON.stringify(task)]
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.ended = once(this.process, 'close').then(([code]) => {
      running.delete(this)
      this.#hear()
      return code as number | null
    })
    running.add(this)
    if (this.process.stdout === null || this.process.stderr === null) throw new Error('no pipes')
    createInterface(this.process.stdout).on('line', line => {
      // A line that the kill cut off was never said.
      if (line.endsWith('}')) this.said.push(JSON.parse(line) as Said)
      this.#hear()
    })
    this.process.stderr.on('data', (text: Buffer) => {
      this.errors += text.toString()
    })
  }

  errors = ''

  /** The first thing said that `wanted` picks, once it is said. Rejects when the child ends before. */
  async hears<T>(wanted: (said: Said) => T | undefined): Promise<T> {
    for (let from = 0; ; ) {
      for (; from < this.said.length; from++) {
        const said = this.said[from]
        const found = said === undefined ? undefined : wanted(said)
        if (found !== undefined) return found
      }
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(`The child ended (${this.process.exitCode ?? this.process.signalCode}): ${this.errors}`)
      }
      await new Promise<void>(resolve => this.#heard.push(resolve))
    }
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended
  }

  #hear(): void {
    for (const resolve of this.#heard.splice(0)) resolve()
  }
}

export const opened = (said: Said): string | undefined => ('opened' in said ? said.opened : undefined)
export const done = (said: Said): number | undefined => ('done' in said ? said.done : undefined)
export const failed = (said: Said): Extract<Said, { failed: string }> | undefined =>
  'failed' in said ? said : undefined

/** Why a command can't be used here, or `false`: for `skip`. */
export function missing(command: string, ...args: readonly string[]): string | false {
  const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (error === undefined && status === 0) return false
  return `${[command, ...args].join(' ')} does not work here: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
}

/** Runs a command of the system's and throws when it fails. */
export function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args)
}
