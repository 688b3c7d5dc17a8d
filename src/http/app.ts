import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import fastify, { type FastifyHttpOptions, type FastifyInstance, LogController } from 'fastify'
import { adminRoutes } from './admin.ts'
import { Admission } from './admission.ts'
import { TokenBook } from './auth.ts'
import { entryRoutes } from './entries.ts'
import { ingestRoutes } from './ingest/route.ts'
import type { Kit } from './kit.ts'
import { leaseRoutes } from './leases.ts'
import { httpMetrics } from './metrics.ts'
import type { AppPorts } from './ports.ts'
import { answerClientError, answerExpectation, answerFrameworkError, answerWithProblems } from './problems.ts'
import { publicRoutes } from './public.ts'
import { RateLimiter } from './rate.ts'
import { searchRoutes } from './search.ts'
import { Streams } from './streams.ts'

/** How often tokens that another process made or ended are looked for. */
const upkeepMs = 5000

/**
 * The service over HTTP: every route, from ports that come in as options. The caller listens, and closes: `close` takes
 * nothing more, ends the streams, lets what is under way finish, and resolves when the last answer is out.
 */
export async function buildApp(ports: AppPorts): Promise<FastifyInstance> {
  const app = fastify(serverOptions(ports))
  const admission = new Admission(ports.limits.concurrencyMax, ports.limits.inFlightBytesMax)
  const streams = new Streams(ports.limits.streamsMax)
  let closing = false
  const kit: Kit = {
    ports,
    tokens: await TokenBook.open(ports.control),
    rate: new RateLimiter(ports.limits.ratePerSecond, ports.limits.rateBurst, () => performance.now()),
    admission,
    streams,
    metrics: httpMetrics(ports.metrics, admission, streams),
    closing: () => closing,
  }
  app.decorateRequest('caller', undefined)
  app.decorateRequest('input', undefined)
  app.decorateRequest('answerType', '')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  answerWithProblems(app, kit.metrics.failed)
  app.server.on('checkExpectation', answerExpectation)
  if (ports.isDoor !== false) {
    await app.register(async scope => ingestRoutes(scope, kit))
    searchRoutes(app, kit)
    entryRoutes(app, kit)
    leaseRoutes(app, kit)
    adminRoutes(app, kit)
  }
  publicRoutes(app, kit)

  const upkeep = setInterval(() => {
    kit.rate.sweep()
    kit.tokens.refresh().catch((error: unknown) => ports.logger.warn({ err: error }, 'the tokens could not be read'))
  }, upkeepMs).unref()
  const letGo = connectionsOf(app.server)
  app.addHook('preClose', done => {
    closing = true
    clearInterval(upkeep)
    streams.closeAll()
    letGo()
    done()
  })
  await app.ready()
  return app
}

const letGoMs = 20
/** How long a client that is still sending its request, or taking its answer, holds up the end. */
const clientMsMax = 3_000

/**
 * How the connections of `server` end when it closes: one that waits for an answer gets it, and none is kept for a request
 * that may never come, not even one that has not sent its first. Whoever is slow is waited for `clientMsMax`, no longer.
 */
function connectionsOf(server: Server): () => void {
  const underWay = new Set<ServerResponse>()
  server.on('request', (_request, response) => {
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
  })
  return () => {
    if (!server.listening) return
    const slowUntil = performance.now() + clientMsMax
    const timer = setInterval(() => {
      if (underWay.size === 0) server.closeAllConnections()
      else server.closeIdleConnections()
      if (performance.now() > slowUntil) dropSlow(underWay)
    }, letGoMs)
    server.once('close', () => clearInterval(timer))
  }
}

/** Ends the connections on which it is the client's turn: none on which an answer is still being made. */
function dropSlow(underWay: ReadonlySet<ServerResponse>): void {
  const inWork = [...underWay].filter(({ req, writableEnded }) => req.complete && !writableEnded)
  const kept = new Set(inWork.map(({ req }) => req.socket))
  for (const { req } of underWay) if (!kept.has(req.socket)) req.socket.destroy()
}

function serverOptions({ logger, limits }: AppPorts): FastifyHttpOptions<Server> {
  return {
    loggerInstance: logger,
    // A logger a request would cost more than the rest of a small request; log lines name the request instead.
    childLoggerFactory: parent => parent,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIds(),
    bodyLimit: limits.bodyBytesMax,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.stallTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Names and ids are judged by their shapes, with a problem that says so; the head of a request bounds them.
    routerOptions: { maxParamLength: limits.headerBytesMax },
    http: {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 1000),
      requireHostHeader: false,
    },
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
  }
}

/** Ids of requests: what the client calls it, where that is a word, or the next of a row that no restart repeats. */
function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const row = randomBytes(6).toString('hex')
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given)
      ? given
      : `${row}-${(++count).toString(36)}`
  }
}
