import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  /** Told each piece of output as it comes, with a way to end the process. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
  /** Closes its own end of stdout after the first piece, as `head` does. */
  readonly closesOutput?: true
}

/** Runs the command line as a shell would, without a terminal, in an environment that names no service. */
export async function cli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    AEP_LEDGER_DATA_DIR: '/nonexistent',
  }
  const child = spawn(process.execPath, [main, ...args], { env: { ...env, ...options.env }, stdio: 'pipe' })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    options.onOutput?.(text, signal => child.kill(signal))
    if (options.closesOutput) child.stdout.destroy()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, out, err }
}

/** A folder of its own for `use`, taken away afterwards. */
export async function inFolder<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-cli-'))
  try {
    return await use(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** A line of a stack trace: what no error that people meet may show. */
export const stackLine = /^\s+at .*\(?(?:file:|node:)/m
