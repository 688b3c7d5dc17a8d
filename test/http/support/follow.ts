import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { adminToken } from './world.ts'

export interface ServerEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** A stream of server-sent events, over a socket of its own. */
export interface Following {
  /** The next `count` events. */
  take(count: number): Promise<ServerEvent[]>
  /** What is left when the service ends the stream. */
  rest(): Promise<ServerEvent[]>
  /** All text up to the `count`th comment. */
  comments(count: number): Promise<string>
  close(): Promise<void>
}

/** Where the app listens, on a port of its own choosing. */
export async function addressOf(app: FastifyInstance): Promise<{ host: string; port: number }> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  return { host: '127.0.0.1', port: (app.server.address() as AddressInfo).port }
}

export async function follow(
  app: FastifyInstance,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Following> {
  const all = { accept: 'text/event-stream', authorization: `Bearer ${adminToken}`, ...headers }
  const outgoing = request({ ...(await addressOf(app)), path, headers: all, agent: false }).end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  if (incoming.statusCode !== 200) throw new Error(`the stream answers ${incoming.statusCode}`)
  let text = ''
  let ended = false
  incoming.setEncoding('utf8')
  incoming.on('data', chunk => {
    text += chunk
  })
  incoming.on('error', () => {})
  incoming.on('close', () => {
    ended = true
  })
  const moved = () =>
    new Promise<void>(resolve => {
      incoming.once('data', () => resolve())
      incoming.once('close', () => resolve())
    })
  const until = async (isThere: () => boolean, orEnd = false) => {
    while (!isThere() && !ended) await moved()
    if (!isThere() && !orEnd) throw new Error('the stream ended too soon')
  }
  return {
    async take(count) {
      await until(() => eventsIn(text).length >= count)
      return eventsIn(text).slice(0, count)
    },
    async rest() {
      await until(() => false, true)
      return eventsIn(text)
    },
    async comments(count) {
      await until(() => (text.match(/^:/gm) ?? []).length >= count)
      return text
    },
    async close() {
      if (ended) return
      outgoing.destroy()
      while (!ended) await moved()
      // The service notices on its side of the socket, a turn or two later.
      await new Promise(resolve => setTimeout(resolve, 20))
    },
  }
}

function eventsIn(text: string): ServerEvent[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .filter(block => !block.startsWith(':'))
    .map(block => {
      const fields = new Map(
        block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      return { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: fields.get('data') ?? '' }
    })
}
