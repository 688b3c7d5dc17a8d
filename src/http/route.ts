import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { z } from 'zod'
import { parseJson } from '../aep/json.ts'
import { Fault } from '../base/fault.ts'
import { type Operation, type OperationId, operations } from '../contract/operations.ts'
import { readBody, readParams, readQuery } from '../contract/read.ts'
import type { Head } from '../ledger/entry.ts'
import type { TokenRecord } from '../log/control.ts'
import { allows, holdsFor } from './auth.ts'
import type { Kit } from './kit.ts'
import { negotiate } from './negotiate.ts'
import { securityHeaders } from './problems.ts'

/** Operations as routes: one guard before all of them, and what most handlers need. */

type Operations = typeof operations

/** What a handler gets to read: everything fits the operation's shapes by then. */
export interface Input<Id extends OperationId> {
  readonly params: { readonly [K in keyof Operations[Id]['params']]: z.output<Operations[Id]['params'][K] & z.ZodType> }
  readonly query: z.output<Operations[Id]['query']>
}

export interface Exchange<Id extends OperationId> extends Input<Id> {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

interface RouteOptions {
  /** After the guard, before the body. */
  readonly onRequest?: onRequestHookHandler
  readonly head?: boolean
}

/** Registers the operation `id`. A handler returns what it sends, or sends through `reply` and returns it. */
export function route<Id extends OperationId>(
  app: FastifyInstance,
  kit: Kit,
  id: Id,
  handler: (exchange: Exchange<Id>) => unknown,
  options: RouteOptions = {},
): void {
  const operation: Operation = operations[id]
  app.route({
    method: operation.method,
    url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: options.head === true,
    bodyLimit: kit.ports.limits.bodyBytesMax,
    onRequest: options.onRequest === undefined ? [guard(kit, operation)] : [guard(kit, operation), options.onRequest],
    onResponse: (request, reply, done) => {
      const ms = reply.elapsedTime
      kit.metrics.answered(id, reply.statusCode, ms)
      const level = id === 'emitEvents' || operation.role === 'none' ? 'debug' : 'info'
      request.log[level]({ requestId: request.id, operation: id, by: request.caller?.id, status: reply.statusCode, ms })
      done()
    },
    handler: (request, reply) => handler({ request, reply, ...(request.input as Input<Id>) }),
  })
}

/**
 * Lets a request in or throws what is wrong with it, in this order: 503 closing, 400 no host, 401, 403 role, 400
 * parameters, 403 ledger, 406, 429. A token that does not hold for a ledger gets the same answer whether there is one.
 */
function guard(kit: Kit, operation: Operation): onRequestHookHandler {
  const offers = Object.keys(Object.values(operation.answers)[0]?.content ?? {})
  const takesQuery = Object.keys(operation.query.shape).length > 0
  return (request, reply, done) => {
    try {
      reply.headers(securityHeaders).header('x-request-id', request.id)
      checkConnection(kit, request, reply)
      const caller = operation.role === 'none' ? undefined : admit(kit, request, operation.role)
      request.caller = caller
      const { params, query } = readInput(operation, request, takesQuery)
      request.input = { params, query }
      if (caller !== undefined) checkScope(caller, params['ledger'])
      request.answerType = answerTypeOf(request, offers)
      if (caller !== undefined) checkRate(kit, caller, reply)
      done()
    } catch (error) {
      done(error as Error)
    }
  }
}

function checkConnection(kit: Kit, request: FastifyRequest, reply: FastifyReply): void {
  if (kit.closing()) {
    reply.header('connection', 'close')
    throw new Fault('shutting-down', 'The service takes no more requests.')
  }
  if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
    throw new Fault('malformed-request', 'HTTP/1.1 asks for a Host header.')
  }
}

function admit(kit: Kit, request: FastifyRequest, role: 'emit' | 'read' | 'admin'): TokenRecord {
  const caller = kit.tokens.identify(request.headers.authorization)
  if (!allows(caller.role, role)) {
    throw new Fault('forbidden', `This asks for the role ${role}; the token has the role ${caller.role}.`)
  }
  return caller
}

interface AnyInput {
  readonly params: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
}

function readInput(operation: Operation, request: FastifyRequest, takesQuery: boolean): AnyInput {
  const { url } = request
  const at = url.indexOf('?')
  const params = readParams(operation.params, request.params as Record<string, string>)
  const query = at < 0 && !takesQuery ? undefined : readQuery(operation.query, at < 0 ? '' : url.slice(at + 1))
  const errors = [...(params.ok ? [] : params.errors), ...(query === undefined || query.ok ? [] : query.errors)]
  if (errors.length > 0) throw new Fault('invalid-request', 'A parameter does not fit.', errors)
  return { params: params.ok ? params.value : {}, query: query?.ok ? query.value : {} }
}

function checkScope(caller: TokenRecord, ledger: unknown): void {
  if (typeof ledger === 'string' && !holdsFor(caller.ledgers, ledger)) {
    throw new Fault('forbidden', 'The token does not hold for this ledger.')
  }
}

function answerTypeOf(request: FastifyRequest, offers: readonly string[]): string {
  if (offers.length === 0) return ''
  const type = negotiate(request.headers.accept, offers)
  if (type === undefined) throw new Fault('not-acceptable', `The answer comes as ${offers.join(', ')}.`)
  return type
}

function checkRate(kit: Kit, caller: TokenRecord, reply: FastifyReply): void {
  const waitSeconds = kit.rate.enter(caller.id)
  if (waitSeconds === 0) return
  reply.header('retry-after', String(waitSeconds))
  throw new Fault('rate-limited', `The token ${caller.id} has used up what it may send for now.`)
}

/** The JSON body of an operation, by `shape`. */
export function bodyOf<S extends z.ZodType>(kit: Kit, request: FastifyRequest, shape: S): z.output<S> {
  const { bodyBytesMax: bytesMax, depthMax } = kit.ports.limits
  if (!(request.body instanceof Uint8Array)) throw new Fault('malformed-json', 'There is no body.')
  const parsed = parseJson(request.body, { bytesMax, depthMax })
  if (!parsed.ok) {
    const errors = parsed.problems.map(({ reason, pointer, detail }) => ({ pointer, detail: `${reason}: ${detail}` }))
    throw new Fault('malformed-json', 'The body is no I-JSON.', errors)
  }
  const read = readBody(shape, parsed.value)
  if (!read.ok) throw new Fault('invalid-request', 'The body does not fit.', read.errors)
  return read.value
}

/** The token of a request whose operation asks for one. */
export function callerOf(request: FastifyRequest): TokenRecord {
  if (request.caller === undefined) throw new Error('the operation asks for no token')
  return request.caller
}

/** Whether an answer that knows of everything up to `asOf` is known to be all, the last seq being `last`. */
export const isComplete = (kit: Kit, asOf: number, last: number): boolean =>
  asOf >= last && kit.ports.isCutOff?.() !== true

/** The head of `ledger` now; throws `ledger-unknown`. */
export async function headOf(kit: Kit, ledger: string): Promise<Head> {
  const head = await kit.ports.log.head(ledger)
  if (head === undefined) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
  return head
}

/** `Link` to the page after this one (RFC 8288): the same address with `name` set to `value`. */
export function linkNext(request: FastifyRequest, name: string, value: string): string {
  const at = request.url.indexOf('?')
  const path = at < 0 ? request.url : request.url.slice(0, at)
  const pieces =
    at < 0
      ? []
      : request.url
          .slice(at + 1)
          .replaceAll('>', '%3E')
          .split('&')
  const kept = pieces.filter(piece => piece !== '' && piece.split('=', 1)[0] !== name)
  return `<${path}?${[...kept, `${name}=${encodeURIComponent(value)}`].join('&')}>; rel="next"`
}
