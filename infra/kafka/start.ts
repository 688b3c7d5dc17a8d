import { freePorts, isFree } from '../ports.ts'
import { withArchive } from './archive.ts'
import { format, type Program, startBroker, untilReady } from './brokers.ts'
import { type BrokerFolder, openFolder } from './folder.ts'
import { kafkaJars } from './jars.ts'
import { findJava } from './java.ts'
import { lock } from './lock.ts'
import type { BrokerProcess } from './process.ts'
import type { Besides, BrokerPorts } from './properties.ts'

export interface KafkaOptions {
  readonly brokers: 1 | 3
  /** Port of the first broker, whose neighbours take the next ones; free ones when absent. */
  readonly port?: number
  /** Folder of the whole cluster. Started on it again, it is the same cluster, on these or other ports. */
  readonly dir: string
  readonly besides?: Besides
  /** Ways to the brokers through proxies, besides the direct one; none when absent. */
  readonly routes?: number
  /**
   * Brokers talk among themselves by the last route as well, their controllers excepted: replicas, and markers of
   * transactions, which one broker sends even to itself. Nothing of it works before that route's proxies are started.
   */
  readonly between?: boolean
  /** Hears what takes long. */
  readonly say?: (line: string) => void
  /** Hears of a broker that ended and was not told to. */
  readonly onDeath?: (broker: number, why: string) => void
  /** Gives the start up. */
  readonly signal?: AbortSignal
}

/**
 * A way to one broker through a proxy: whoever connects to `proxy` and reaches `to` is sent to the proxies of the same route
 * for every other broker, too. Both are `host:port`; nobody listens at `proxy` until a proxy is started there.
 */
export interface Route {
  readonly proxy: string
  readonly to: string
}

/** A running Apache Kafka. Brokers are called by their node ids, from 1. */
export interface RunningKafka {
  /** `host:port` of each broker, in the order of their ids. */
  readonly bootstrap: readonly string[]
  /** The same of a listener besides, by its name. */
  listener(name: string): readonly string[]
  /** Each route's way to each broker, in the order of their ids. */
  readonly routes: readonly (readonly Route[])[]
  /** Process id of a broker; `undefined` while it does not run. */
  pid(broker: number): number | undefined
  /** kill -9; resolves when it is gone. Its folder and its ports stay its own. */
  kill(broker: number): Promise<void>
  /** Starts a killed broker again; resolves when it takes requests. */
  start(broker: number): Promise<void>
  /** Ends all in order, whatever does not end in time by kill -9; resolves when they are gone. */
  stop(): Promise<void>
}

const startMsMax = 90_000
const endMsMax = 10_000

/**
 * Starts Apache Kafka in KRaft mode on 127.0.0.1: one broker, or three that keep everything three times. Resolves when
 * every broker takes requests; the brokers die with this process. Throws with what to do: `Missing` where this machine
 * lacks a program, `Error` where port or folder is not to be had.
 */
export async function startKafka(options: KafkaOptions): Promise<RunningKafka> {
  const { signal, besides, say = () => {} } = options
  const ports = await portsFor(options)
  const unlock = await lock(options.dir)
  try {
    const { clusterId, folders } = openFolder(options.dir, ports, besides)
    const java = await findJava()
    const jars = await kafkaJars(say, signal)
    const bare = await withArchive({ java, jars, jvm: [] }, say, signal)
    const program = { ...bare, jvm: [...bare.jvm, ...(besides?.jvm ?? [])] }
    await Promise.all(folders.map(folder => format(program, folder, clusterId, besides?.format, signal)))
    const kafka = new Cluster(program, folders, ports, unlock, options)
    await kafka.startAll(signal)
    return kafka
  } catch (error) {
    unlock()
    throw error
  }
}

async function portsFor({ brokers, port, besides, routes = 0, between = false }: KafkaOptions): Promise<BrokerPorts[]> {
  const listeners = Object.keys(besides?.listeners ?? {}).length
  const free = await freePorts((3 + listeners + 2 * routes) * brokers)
  const clients = Array.from({ length: brokers }, (_, n) => (port === undefined ? free.pop() : port + n) ?? 0)
  for (const client of clients) {
    if (client > 65_535) throw new RangeError(`there is no port ${client}: choose a lower --port`)
    if (!(await isFree(client))) throw new Error(`port ${client} of 127.0.0.1 is taken: choose another with --port`)
  }
  const others = free.filter(one => !clients.includes(one))
  const next = (): number => others.pop() ?? 0
  return clients.map(client => ({
    client,
    controller: next(),
    besides: Array.from({ length: listeners }, next),
    routes: Array.from({ length: routes }, () => ({ own: next(), proxy: next() })),
    between: between && routes > 0,
  }))
}

class Cluster implements RunningKafka {
  readonly bootstrap: readonly string[]
  readonly routes: readonly (readonly Route[])[]
  readonly #program: Program
  readonly #folders: readonly BrokerFolder[]
  readonly #ports: readonly BrokerPorts[]
  readonly #listeners: readonly string[]
  readonly #running = new Map<number, BrokerProcess>()
  readonly #unlock: () => void
  readonly #onDeath: (broker: number, why: string) => void

  constructor(
    program: Program,
    folders: readonly BrokerFolder[],
    ports: readonly BrokerPorts[],
    unlock: () => void,
    { besides, onDeath = () => {} }: KafkaOptions,
  ) {
    this.#program = program
    this.#ports = ports
    this.#listeners = Object.keys(besides?.listeners ?? {})
    this.#folders = folders
    this.bootstrap = ports.map(({ client }) => `127.0.0.1:${client}`)
    this.routes = (ports[0]?.routes ?? []).map((_, route) =>
      ports.map(({ routes = [] }) => ({
        proxy: `127.0.0.1:${routes[route]?.proxy}`,
        to: `127.0.0.1:${routes[route]?.own}`,
      })),
    )
    this.#unlock = unlock
    this.#onDeath = onDeath
  }

  listener(name: string): readonly string[] {
    const at = this.#listeners.indexOf(name)
    if (at < 0) throw new RangeError(`there is no listener ${name}`)
    return this.#ports.map(({ besides }) => `127.0.0.1:${besides?.[at]}`)
  }

  pid(broker: number): number | undefined {
    return this.#running.get(broker)?.pid
  }

  async kill(broker: number): Promise<void> {
    const process = this.#running.get(broker)
    this.#running.delete(broker)
    await process?.kill()
  }

  async start(broker: number): Promise<void> {
    if (this.#running.has(broker)) throw new Error(`broker ${broker} runs already`)
    const { process, address } = this.#launch(broker)
    try {
      await untilReady(process, address, [broker], startMsMax)
    } catch (error) {
      await this.kill(broker)
      throw error
    }
    this.#watch(broker, process)
  }

  async startAll(signal?: AbortSignal): Promise<void> {
    const ids = this.#folders.map(({ id }) => id)
    const launched = ids.map(id => ({ id, ...this.#launch(id) }))
    const ready = launched.map(({ process, address }) => untilReady(process, address, ids, startMsMax, signal))
    try {
      await Promise.all(ready)
    } catch (error) {
      await Promise.all(ids.map(id => this.kill(id)))
      throw error
    }
    for (const { id, process } of launched) this.#watch(id, process)
  }

  async stop(): Promise<void> {
    const running = [...this.#running.values()]
    this.#running.clear()
    await Promise.all(running.map(process => process.end(endMsMax)))
    this.#unlock()
  }

  #launch(broker: number): { readonly process: BrokerProcess; readonly address: string } {
    const folder = this.#folders[broker - 1]
    const address = this.bootstrap[broker - 1]
    if (folder === undefined || address === undefined) {
      throw new RangeError(`there is no broker ${broker}; they are 1 to ${this.#folders.length}`)
    }
    const process = startBroker(this.#program, folder)
    this.#running.set(broker, process)
    return { process, address }
  }

  #watch(broker: number, process: BrokerProcess): void {
    void process.gone.then(why => {
      // Who was told to end is not among the running any more.
      if (this.#running.get(broker) !== process) return
      this.#running.delete(broker)
      this.#onDeath(broker, why)
    })
  }
}
