import { connect, createServer, type Server, type Socket } from 'node:net'
import { conversation } from './conversation.ts'
import { Lane } from './lane.ts'
import { type Fault, type Planned, Plans } from './plan.ts'
import { Sky, type Weather } from './weather.ts'

export interface ProxyOptions {
  /** `host:port` that everything goes to. */
  readonly to: string
  /** Port of 127.0.0.1 to listen on; a free one when absent. */
  readonly port?: number
  /** Whether Kafka is spoken, so that `plan` knows one request from another; it is, when absent. */
  readonly isKafka?: boolean
}

/** Stands between clients and a server, and does what a test tells it. It starts in fine weather. */
export interface FaultProxy {
  /** `host:port` that clients connect to. */
  readonly address: string
  /** Connections that are open now. */
  readonly connections: number
  /** Changes the weather, for connections that are open and for new ones; `{}` is fine weather. */
  weather(weather: Weather): void
  /** Lets something happen to one request that is to come. */
  plan(fault: Fault): Planned
  /** Requests of an API that have come so far. */
  seen(api: number): number
  /** Resets every connection, and says how many; new ones are welcome. */
  cut(): number
  /** Resets every connection and listens no more. */
  close(): Promise<void>
}

/** A proxy of one server, on 127.0.0.1. A server that is not there, or refuses, resets whoever connects. */
export async function startProxy({ to, port = 0, isKafka = true }: ProxyOptions): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return new TcpProxy(server, to, isKafka)
}

class TcpProxy implements FaultProxy {
  readonly address: string
  readonly #server: Server
  readonly #host: string
  readonly #port: number
  readonly #isKafka: boolean
  readonly #sky = new Sky()
  readonly #plans = new Plans()
  /** Ends of open connections. */
  readonly #open = new Set<() => void>()
  #count = 0

  constructor(server: Server, to: string, isKafka: boolean) {
    const { hostname, port } = new URL(`tcp://${to}`)
    this.#host = hostname
    this.#port = Number(port)
    this.#isKafka = isKafka
    this.#server = server
    const own = server.address()
    this.address = `127.0.0.1:${typeof own === 'object' && own !== null ? own.port : 0}`
    server.on('connection', client => this.#join(client))
  }

  #join(client: Socket): void {
    client.on('error', () => {})
    if (this.#sky.refuses) return void client.resetAndDestroy()
    const server = connect({ host: this.#host, port: this.#port, allowHalfOpen: true, noDelay: true })
    server.on('error', () => {})
    const reset = (): void => {
      for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy()
    }
    this.#open.add(reset)
    // After both have ended in order, both are gone by themselves; one that is gone otherwise takes the other with it.
    for (const socket of [client, server]) {
      socket.on('close', hadError => {
        if (hadError || !socket.readableEnded || !socket.writableFinished) reset()
        if (client.destroyed && server.destroyed) this.#open.delete(reset)
        this.#sky.wake()
      })
    }
    const spoken = this.#isKafka ? conversation(this.#plans, ++this.#count) : undefined
    new Lane(client, server, 'requests', this.#sky, reset, spoken?.requests)
    new Lane(server, client, 'answers', this.#sky, reset, spoken?.answers)
  }

  get connections(): number {
    return this.#open.size
  }

  weather(weather: Weather): void {
    this.#sky.change(weather)
    if (weather.refuse) this.cut()
  }

  plan(fault: Fault): Planned {
    if (!this.#isKafka) throw new Error('a proxy that knows no Kafka knows no requests')
    return this.#plans.add(fault)
  }

  seen(api: number): number {
    return this.#plans.seen(api)
  }

  cut(): number {
    const resets = [...this.#open]
    for (const reset of resets) reset()
    return resets.length
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#sky.change({ refuse: true })
    this.cut()
    await closed
  }
}
