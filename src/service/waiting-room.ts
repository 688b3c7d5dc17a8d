import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from './config.ts'

/** What answers while the service can't begin yet. */
export interface WaitingRoom {
  /** Gives the port back. */
  close(): Promise<void>
}

const retryAfterSeconds = 2

/**
 * Answers on the service's port until its log is there: `/livez` that the process lives, everything else `503` with the
 * advice to come again. So whoever starts and watches the process sees it wait, and not gone.
 */
export async function openWaitingRoom(
  { HOST, PORT }: Config,
  waitsFor: string,
): Promise<WaitingRoom & { port: number }> {
  const server = createServer((request, response) => {
    const isLive = request.url === '/livez'
    const body = isLive
      ? { status: 'live' }
      : { type: 'about:blank', title: 'Not ready', status: 503, code: 'not-ready', detail: `Waits for ${waitsFor}.` }
    response.writeHead(isLive ? 200 : 503, {
      'content-type': isLive ? 'application/json' : 'application/problem+json',
      ...(!isLive && { 'retry-after': String(retryAfterSeconds) }),
      connection: 'close',
    })
    response.end(request.method === 'HEAD' ? undefined : JSON.stringify(body))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(PORT, HOST, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
