import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EngineServer, Login } from '../server.ts'
import { ask, checkServer, SelfCheckFailed } from './check.ts'
import { configXml, type EngineFiles, usersXml } from './files.ts'
import { siblingUrl } from './sibling.ts'
import type { EngineRun } from './worker.ts'

/** The engine did not start; `message` says why in plain words. */
export class NotStarted extends Error {}

export interface LaunchOptions {
  /** Folder of the engine's data, its run files and `connection.json`. */
  readonly dir: string
  /** File of libchdb. */
  readonly library: string
  /** Port to listen on; a free one when absent. */
  readonly port?: number
  /** New ones at each start when absent. */
  readonly secrets?: EngineSecrets
  readonly memoryBytesMax: number
  readonly startMsMax: number
  /** Gives the start up. */
  readonly signal: AbortSignal
}

/** What opens an engine: whoever holds these may ask it. */
export interface EngineSecrets {
  /** Path of its URL; empty: the root, where ClickHouse takes requests elsewhere. */
  readonly path: string
  readonly writer: Login
  readonly reader: Login
}

/** Secrets that nobody has seen. */
export function newSecrets(): EngineSecrets {
  return {
    path: secret(),
    writer: { username: 'ledger', password: secret() },
    reader: { username: 'reader', password: secret() },
  }
}

const secret = (): string => randomBytes(24).toString('base64url')

/** One running engine process. */
export interface Launched extends EngineServer {
  readonly pid: number
  /** Whether the kernel holds the engine to its own folder. */
  readonly confined: boolean
  /** Resolves when the process is gone, with why, as far as it said. */
  readonly gone: Promise<string>
  /** Whether its listener answers within `timeoutMs`. */
  alive(timeoutMs: number): Promise<boolean>
  /** Ends the process; resolves when it is gone. */
  end(): Promise<void>
}

/**
 * Starts the engine on `dir` and resolves when it answers and does what is asked of its users. Throws `NotStarted`.
 *
 * Each start has its own folder of files, passwords and secret path, so that a second service on the same `dir`, which
 * fails on the engine's own lock, has overwritten nothing of the first, and so that what a stranger on the old port may
 * have been told is worth nothing later. All files are 0600.
 */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { dir, startMsMax, signal } = options
  const port = options.port ?? (await freePort())
  const data = join(dir, 'data')
  const runs = join(dir, 'run')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  mkdirSync(runs, { recursive: true, mode: 0o700 })
  const folder = mkdtempSync(join(runs, 'start-'))
  const files = newFiles(folder, options)
  writeFileSync(files.usersPath, usersXml(files), { mode: 0o600 })
  const configPath = join(folder, 'config.xml')
  writeFileSync(configPath, configXml(files), { mode: 0o600 })

  const { child, gone } = startChild(runOf(options.library, data, folder, configPath, port))
  const forget = (): void => rmSync(folder, { recursive: true, force: true })
  const end = async (): Promise<void> => {
    child.stdin.end()
    const timer = setTimeout(() => child.kill('SIGKILL'), 1_000)
    await gone
    clearTimeout(timer)
    forget()
  }
  const base = `http://127.0.0.1:${port}`
  const alive = async (timeoutMs: number): Promise<boolean> =>
    (await ask(`${base}/alive`, timeoutMs).catch(() => '')) === files.nonce
  const server = { url: `${base}/${files.path}`, writer: files.writer, reader: files.reader }
  try {
    await answering(alive, gone, startMsMax, signal)
    // From here on the data folder is ours alone: the engine has its lock.
    keepOnly(runs, folder)
    const canary = join(runs, 'canary')
    writePrivately(canary, 'The engine cannot read this file.\n')
    const confined = await checkServer(server, canary)
    writePrivately(join(dir, 'connection.json'), `${JSON.stringify({ ...server, pid: child.pid }, null, 2)}\n`)
    return { ...server, pid: child.pid ?? 0, confined, gone, alive, end }
  } catch (error) {
    await end()
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof SelfCheckFailed) throw new NotStarted(`the self-check failed: ${message}`, { cause: error })
    throw new NotStarted(plainly(message, dir, port), { cause: error })
  }
}

/** Removes what earlier starts left behind, all of which have ended. */
function keepOnly(runs: string, folder: string): void {
  for (const name of readdirSync(runs)) {
    if (join(runs, name) !== folder) rmSync(join(runs, name), { recursive: true, force: true })
  }
}

function writePrivately(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

function newFiles(folder: string, { memoryBytesMax, secrets = newSecrets() }: LaunchOptions): EngineFiles {
  return {
    usersPath: join(folder, 'users.xml'),
    memoryBytesMax,
    nonce: secret(),
    ...secrets,
  }
}

/** One query opens the listener, the next sleeps for ever, because `clickhouse local` ends with its last query. */
const keeping =
  'SYSTEM START LISTEN HTTP; SELECT sleepEachRow(3) FROM system.numbers ' +
  'SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0 FORMAT Null'

const runOf = (library: string, data: string, folder: string, configPath: string, port: number): EngineRun => ({
  library,
  args: [
    'clickhouse',
    `--path=${data}`,
    '--listen_host=127.0.0.1',
    `--http_port=${port}`,
    `--config-file=${configPath}`,
    `--query=${keeping}`,
  ],
  confinement: {
    // Of /proc its own process alone: the environment of others, where they keep their secrets, is none of its business.
    readable: [
      folder,
      '/proc/self',
      '/proc/meminfo',
      '/proc/stat',
      '/proc/cpuinfo',
      '/sys',
      '/dev/null',
      '/dev/urandom',
    ],
    writable: [data],
    port,
  },
})

const saidCharsMax = 4_096

function startChild(run: EngineRun) {
  const args = [fileURLToPath(siblingUrl('child', import.meta.url)), String(process.pid), JSON.stringify(run)]
  // Of its own process group, so that Ctrl-C at a terminal ends the service in its order and not the engine before it.
  const child: ChildProcessByStdio<Writable, null, Readable> = spawn(process.execPath, args, {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { TZ: 'UTC' },
    detached: true,
  })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(0, saidCharsMax)
  })
  child.stdin.on('error', () => {})
  const gone = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', (code, signal) => resolve(text.trim() || `it ended with ${signal ?? `code ${code}`}`))
  })
  return { child, gone }
}

async function answering(
  alive: (ms: number) => Promise<boolean>,
  gone: Promise<string>,
  msMax: number,
  signal: AbortSignal,
): Promise<void> {
  let dead: string | undefined
  void gone.then(reason => {
    dead = reason
  })
  const until = performance.now() + msMax
  while (dead === undefined) {
    if (await alive(1_000)) return
    if (signal.aborted) throw new NotStarted('it was closed')
    if (performance.now() > until) throw new NotStarted(`it did not answer within ${msMax} ms`)
    await sleep(20)
  }
  throw new NotStarted(dead)
}

/** What the engine said, as something a person can act on. */
function plainly(said: string, dir: string, port: number): string {
  if (/Cannot lock file/.test(said)) return `another process has ${dir} open; is a second service running on it?`
  if (/Address already in use|NETWORK_ERROR/.test(said)) return `port ${port} of 127.0.0.1 is taken`
  if (/No space left|NOT_ENOUGH_SPACE/.test(said)) return `the disk of ${dir} is full`
  return said.split('\n')[0] ?? said
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
