import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Stub {
  readonly url: string
  /** What was asked, in order. */
  readonly asked: Asked[]
  close(): Promise<void>
}

/** Answers a request, or says nothing of it: then it is a 404 of a ledger's. */
export type Handler = (asked: Asked, answer: ServerResponse) => void | Promise<void>

/** A service by hand, on a free port of this machine. */
export async function stub(handler: Handler): Promise<Stub> {
  const asked: Asked[] = []
  const server = createServer((request, answer) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stub')
      const one = {
        method: request.method ?? '',
        path: pathname,
        query: searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      }
      asked.push(one)
      void handler(one, answer)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

export function json(answer: ServerResponse, value: unknown, status = 200): void {
  answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** Half an answer, and the end of the connection. */
export function breakOff(answer: ServerResponse, text: string): void {
  answer.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 * text.length })
  answer.write(text)
  setTimeout(() => answer.destroy(), 50)
}

export function problem(
  answer: ServerResponse,
  status: number,
  code: string,
  more: Record<string, unknown> = {},
  headers = {},
): void {
  const body = {
    type: `/problems/${code}`,
    title: code,
    status,
    detail: `It is ${code}.`,
    instance: 'r-1',
    code,
    ...more,
  }
  answer.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(body))
}

/** Runs `use` with a stub, and ends it afterwards. */
export async function withStub<T>(handler: Handler, use: (stub: Stub) => Promise<T>): Promise<T> {
  const service = await stub(handler)
  try {
    return await use(service)
  } finally {
    await service.close()
  }
}
