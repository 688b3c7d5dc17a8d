import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { resolveLibchdb } from 'chdb/libchdb'
import { type EngineSecrets, type Launched, type LaunchOptions, launch, NotStarted } from './engine/launch.ts'
import type { EngineServer, Login } from './server.ts'

/**
 * The service's own ClickHouse: a child process that runs the real server code which npm's `chdb` carries, on loopback,
 * speaking ClickHouse's HTTP. It is started in the background, watched, started again when it dies, and ends with the
 * service, however that ends. docs/adr/0003-clickhouse-child.md says why it is so.
 */
export interface Engine extends EngineServer {
  /** Members of the server as of now; a port that refuses connections before the first start. */
  readonly url: string
  readonly writer: Login
  readonly reader: Login
  status(): EngineStatus
  /** Why it is not up, in plain words; `undefined` while it is up or starting for the first time. */
  readonly reason: string | undefined
  /** Resolves when it is up for the first time; rejects when it never will be, or is closed before. */
  readonly ready: Promise<void>
  /** Process id while it is up. */
  readonly pid: number | undefined
  /** Whether the kernel holds it to its own folder (Landlock), so that no statement reads another file; known while up. */
  readonly confined: boolean | undefined
  /** Calls `listener` after each change of status; returns what ends that. */
  onChange(listener: (status: EngineStatus, reason?: string) => void): () => void
  /** Ends it, within seconds. */
  close(): Promise<void>
}

/** `down`: it has failed, and is tried again after a rest, unless it can never start here. */
export type EngineStatus = 'starting' | 'up' | 'down'

export interface EngineLog {
  info(object: object, message: string): void
  warn(object: object, message: string): void
}

export interface EngineOptions {
  /** The engine's own folder. */
  readonly dir: string
  readonly log?: EngineLog
  /** Memory of the engine's own accounting at most; half as much again is seen from outside. */
  readonly memoryBytesMax?: number
  /** Port to try first; a free one when absent, and always after a failed start. */
  readonly port?: number
  /** For clients that are not told of a new start: at every start this port and these secrets, and never others. */
  readonly fixed?: { readonly port: number; readonly secrets: EngineSecrets }
  /** File of libchdb; npm's own when absent. */
  readonly library?: string
  readonly startMsMax?: number
  /** How often its listener is asked for a sign of life. */
  readonly watchMs?: number
}

const memoryBytesDefault = 1_500_000_000
const startMsDefault = 60_000
const watchMsDefault = 5_000
/** Signs of life missed in a row before a process that is there but does not answer is ended. */
const missedMax = 6
const restMsMin = 200
const restMsMax = 30_000
/** After so long in one piece it is trusted again: the next rest is the shortest. */
const steadyMs = 60_000

/** Starts the engine in the background and returns at once. Never throws: what is wrong is `status` and `reason`. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  return new Supervisor(options)
}

const nobody: Login = { username: '', password: '' }
const nowhere: EngineServer = { url: 'http://127.0.0.1:9/', writer: nobody, reader: nobody }

class Supervisor implements Engine {
  readonly ready: Promise<void>
  readonly #options: EngineOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  readonly #listeners = new Set<(status: EngineStatus, reason?: string) => void>()
  readonly #first = Promise.withResolvers<void>()
  #status: EngineStatus = 'starting'
  #reason: string | undefined
  #launched: Launched | undefined
  #server: EngineServer = nowhere

  constructor(options: EngineOptions) {
    this.#options = { ...options, dir: resolve(options.dir) }
    this.ready = this.#first.promise
    this.ready.catch(() => {})
    this.#running = this.#run()
  }

  get url(): string {
    return this.#server.url
  }
  get writer(): Login {
    return this.#server.writer
  }
  get reader(): Login {
    return this.#server.reader
  }
  get reason(): string | undefined {
    return this.#reason
  }
  get pid(): number | undefined {
    return this.#launched?.pid
  }
  get confined(): boolean | undefined {
    return this.#launched?.confined
  }
  status(): EngineStatus {
    return this.#status
  }

  onChange(listener: (status: EngineStatus, reason?: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#launched?.end()
    await this.#running
  }

  async #run(): Promise<void> {
    const library = this.#library()
    if (library === undefined) return
    const { fixed } = this.#options
    let port = fixed?.port ?? this.#options.port
    let restMs = restMsMin
    while (!this.#stop.signal.aborted) {
      const startedMs = performance.now()
      this.#become('starting', this.#reason)
      const why = await this.#once({ ...this.#launchOptions(library), ...(port === undefined ? {} : { port }) })
      port = fixed?.port
      if (this.#stop.signal.aborted) break
      if (performance.now() - startedMs > steadyMs) restMs = restMsMin
      this.#become('down', why)
      await sleep(restMs, undefined, { signal: this.#stop.signal }).catch(() => {})
      restMs = Math.min(2 * restMs, restMsMax)
    }
    this.#become('down', 'it was closed')
    this.#first.reject(new Error('the engine was closed before it was up'))
  }

  /** One life of the engine, from start to end; resolves with why it ended. */
  async #once(options: LaunchOptions): Promise<string> {
    try {
      const launched = await launch(options)
      this.#launched = launched
      if (this.#stop.signal.aborted) await launched.end()
      else {
        this.#server = launched
        this.#become('up', undefined, { pid: launched.pid, confined: launched.confined })
        this.#first.resolve()
        await this.#watch(launched)
      }
      const why = await launched.gone
      await launched.end()
      return why
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      if (this.#launched !== undefined) rmSync(join(options.dir, 'connection.json'), { force: true })
      this.#launched = undefined
      this.#server = nowhere
    }
  }

  /** Until it is gone; ends one that does not answer any more. */
  async #watch(launched: Launched): Promise<void> {
    const { watchMs = watchMsDefault } = this.#options
    const gone = launched.gone.then(() => true)
    for (let missed = 0; ; ) {
      const rest = new AbortController()
      const ended = await Promise.race([gone, sleep(watchMs, false, { signal: rest.signal, ref: false })])
      rest.abort()
      if (ended) return
      missed = (await launched.alive(watchMs)) ? 0 : missed + 1
      if (missed >= missedMax) await launched.end()
    }
  }

  /** The library's file; otherwise it says why it can never start, and that is that. */
  #library(): string | undefined {
    let trouble = 'its folder cannot be written'
    try {
      mkdirSync(this.#options.dir, { recursive: true, mode: 0o700 })
      trouble = 'there is no ClickHouse for this machine'
      return this.#options.library ?? resolveLibchdb().path
    } catch (error) {
      this.#become('down', `${trouble}, so search is off: ${error instanceof Error ? error.message : String(error)}`)
      this.#first.reject(new NotStarted(this.#reason))
      return undefined
    }
  }

  #launchOptions(library: string): LaunchOptions {
    const { dir, fixed, memoryBytesMax = memoryBytesDefault, startMsMax = startMsDefault } = this.#options
    const secrets = fixed === undefined ? {} : { secrets: fixed.secrets }
    return { dir, library, ...secrets, memoryBytesMax, startMsMax, signal: this.#stop.signal }
  }

  #become(status: EngineStatus, reason: string | undefined, more: object = {}): void {
    const before = this.#status
    this.#status = status
    this.#reason = reason
    const { log } = this.#options
    if (status === 'up') log?.info(more, 'ClickHouse is up')
    if (status === 'down' && !this.#stop.signal.aborted) log?.warn({ reason, ...more }, 'ClickHouse is down')
    if (before !== status) for (const listener of this.#listeners) listener(status, reason)
  }
}
