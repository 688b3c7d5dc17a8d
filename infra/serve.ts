import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A service of its own process, on a data folder. */
export interface Serving {
  readonly url: string
  readonly child: ChildProcess
  readonly token: string
  /** SIGTERM, and waits until it is gone; resolves with the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** What it wrote so far. */
  log(): string
}

export const repository = fileURLToPath(new URL('../', import.meta.url))
export const cliMain = join(repository, 'src/cli/main.ts')

const startMsMax = 60_000

/**
 * Starts `aep-ledger serve` on `dir` and waits until it takes requests; `env` adds to its environment, and `onLog` is given all
 * that it has written, whenever that grows.
 */
export async function serve(
  dir: string,
  env: Readonly<Record<string, string>> = {},
  onLog: (log: string) => void = () => {},
): Promise<Serving> {
  const child = spawn(process.execPath, [cliMain, 'serve'], {
    cwd: repository,
    env: { ...process.env, AEP_LEDGER_PORT: '0', AEP_LEDGER_DATA_DIR: dir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  const gone = new Promise<number | null>(resolve => child.on('exit', code => resolve(code)))
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => fail('did not start in time'), startMsMax)
    const fail = (why: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`the service ${why}: ${log}`))
    }
    const hear = (text: string): void => {
      log += text
      onLog(log)
      const found = /listens on \S*?(https?:\/\/[\d.]+:\d+)/.exec(log)?.[1]
      if (found === undefined) return
      clearTimeout(timer)
      resolve(found)
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    child.on('exit', code => fail(`ended with ${code}`))
  })
  const token = env['AEP_LEDGER_ADMIN_TOKEN'] ?? readFileSync(join(dir, 'admin.token'), 'utf8').trim()
  return {
    url,
    child,
    token,
    log: () => log,
    stop: () => {
      child.kill('SIGTERM')
      return gone
    },
    kill: async () => {
      child.kill('SIGKILL')
      await gone
    },
  }
}
