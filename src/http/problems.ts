import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault, type FaultCode, type FaultDetail, faults } from '../base/fault.ts'
import { type Operation, operations } from '../contract/operations.ts'
import { problemOf, problemType } from '../contract/problem.ts'
import { NotWritten, WriteUnknown } from '../log/port.ts'

/** Every way to fail, as an RFC 9457 problem: faults thrown here, Fastify's own errors, and requests that are no HTTP. */

/** Seconds that a client should wait; faults that are not named wait `retryAfterDefault`. */
const retryAfter: { readonly [C in FaultCode]?: number } = { overloaded: 1, 'rate-limited': 1, 'query-unavailable': 2 }
const retryAfterDefault = 5

/** Unread request bodies up to here are read to their end, so that the connection can be used again. */
const drainBytesMax = 65_536

export interface ProblemExtras {
  readonly errors?: readonly FaultDetail[]
  /** Extension members of the problem (RFC 9457 section 3.2). */
  readonly members?: Readonly<Record<string, unknown>>
}

/** Answers with the problem of `code`; whatever was set for another answer is replaced. */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  code: FaultCode,
  detail: string,
  { errors = [], members = {} }: ProblemExtras = {},
): FastifyReply {
  const fault = faults[code]
  if (code === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="aep-ledger"')
  if (fault.retry && !reply.hasHeader('retry-after')) {
    reply.header('retry-after', String(retryAfter[code] ?? retryAfterDefault))
  }
  if (leavesMuchUnread(request)) reply.header('connection', 'close')
  return reply
    .headers(securityHeaders)
    .header('x-request-id', request.id)
    .code(fault.status)
    .header('content-type', problemType)
    .send(JSON.stringify({ ...problemOf(code, detail, request.id, errors), ...members }))
}

function leavesMuchUnread(request: FastifyRequest): boolean {
  if (request.raw.complete || request.method === 'GET') return false
  if (request.headers['transfer-encoding'] !== undefined) return true
  return Number(request.headers['content-length'] ?? 0) > drainBytesMax
}

/** Makes `app` answer every error, unknown route and wrong method with a problem. */
export function answerWithProblems(app: FastifyInstance, counted: (code: FaultCode) => void): void {
  const answerNoRoute = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { code, detail, allow } = noRoute(request)
    counted(code)
    if (allow.length > 0) reply.header('allow', allow.join(', '))
    return sendProblem(request, reply, code, detail)
  }
  app.setNotFoundHandler(answerNoRoute)
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    // Where there is no route, nothing that is wrong with the request matters more.
    if (request.is404) return answerNoRoute(request, reply)
    const fault = faultOf(error)
    counted(fault.code)
    if (faults[fault.code].status >= 500) {
      const level = fault.code === 'internal' || fault.code === 'row-damaged' ? 'error' : 'warn'
      request.log[level]({ requestId: request.id, code: fault.code, err: fault.cause ?? fault }, fault.message)
    }
    return sendProblem(request, reply, fault.code, fault.message, { errors: fault.errors })
  })
}

/** What to say of a request that no route takes: another method would do, or nothing would. */
function noRoute({ method, url }: FastifyRequest): { code: FaultCode; detail: string; allow: readonly string[] } {
  const path = url.split('?', 1)[0] ?? ''
  const allow = methodsOf(path)
  if (allow.length > 0) return { code: 'method-not-allowed', detail: `${path} takes ${allow.join(', ')}.`, allow }
  const slash = path.startsWith('/v1/ledgers/') ? ' A slash in the name of a ledger is written %2F.' : ''
  return { code: 'not-found', detail: `There is no route ${method} ${path.slice(0, 200)}.${slash}`, allow }
}

/** Answers a URL that the router cannot read. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const fault = faultOf(error)
  sendProblem(request, reply, fault.code, fault.message)
}

/** The fault that a thrown thing is; what is none of ours and none of the client's is `internal`, and says no more. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (error instanceof NotWritten || error instanceof WriteUnknown) {
    return new Fault('log-unavailable', 'The log took nothing.', [], error)
  }
  const { code, statusCode, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new Fault(
      'unsupported-media-type',
      'Content-Type is missing, or is of a type that this route does not read.',
    )
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Fault('body-too-large', 'The body has more bytes than it may.')
  if (code === 'FST_ERR_BAD_URL') return new Fault('malformed-request', 'The path is not percent-encoded UTF-8.')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Fault('malformed-request', message ?? 'The request cannot be read.', [], error)
  }
  return new Fault('internal', 'The service failed; its log says more under this request id.', [], error)
}

const routes = Object.values<Operation>(operations).map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}))

/** Methods that the routes at `path` take, for `Allow`. */
const methodsOf = (path: string): string[] => [
  ...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)),
]

const socketFaults: Readonly<Record<string, readonly [FaultCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'The head of the request has more bytes than it may.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The request took too long to come.'],
}

/** Answers on the socket itself where there is no request yet: what came is no HTTP, too long, or too slow. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // A response that has begun on this socket must not be broken into.
  const begun = (socket as Socket & { _httpMessage?: { headersSent?: boolean } })._httpMessage?.headersSent === true
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy()
    return
  }
  const [code, detail] = socketFaults[error.code ?? ''] ?? ['malformed-request', 'What came is not HTTP/1.1.']
  socket.end(rawProblem(code, detail))
}

/** `Expect` with anything but `100-continue` (RFC 9110 section 10.1.1). */
export function answerExpectation(request: IncomingMessage): void {
  request.socket.end(rawProblem('expectation-failed', 'Expect takes 100-continue only.'))
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
}

function rawProblem(code: FaultCode, detail: string): string {
  const body = JSON.stringify(problemOf(code, detail, 'none'))
  const { status } = faults[code]
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? ''}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** What every answer says to browsers: nothing here is to be framed, sniffed, cached or run. */
export const securityHeaders = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const
