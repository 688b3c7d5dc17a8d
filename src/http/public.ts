import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault, type FaultCode, faults } from '../base/fault.ts'
import { jsonType } from '../contract/ingest.ts'
import { openapi } from '../contract/openapi.ts'
import { pageOfFault } from '../contract/problem.ts'
import { allows, carries, covers } from './auth.ts'
import type { Kit } from './kit.ts'
import { securityHeaders, sendProblem } from './problems.ts'
import { route } from './route.ts'

/** What asks for no token: health, metrics, the description of the service and its faults. */
export function publicRoutes(app: FastifyInstance, kit: Kit): void {
  route(app, kit, 'live', () => ({ status: 'live' }), { head: true })
  route(
    app,
    kit,
    'ready',
    ({ request, reply }) => {
      const parts = kit.ports.health()
      const missing = parts.filter(part => part.essential && !part.ready)
      if (missing.length === 0) return { status: 'ready', parts }
      const detail = `Not ready: ${missing.map(part => part.name).join(', ')}.`
      kit.metrics.failed('not-ready')
      return sendProblem(request, reply, 'not-ready', detail, { members: { parts } })
    },
    { head: true },
  )
  route(app, kit, 'metrics', async ({ request, reply }) => {
    checkMayMeasure(kit, request)
    return reply.header('content-type', kit.ports.metrics.contentType).send(await kit.ports.metrics.metrics())
  })
  const description = once(() => openapi(kit.ports.version))
  const descriptionText = once(() => JSON.stringify(description()))
  route(app, kit, 'openapi', ({ reply }) => reply.header('content-type', jsonType).send(descriptionText()))
  route(app, kit, 'explainProblem', ({ params: { code } }) => {
    if (!Object.hasOwn(faults, code)) throw new Fault('not-found', 'There is no such fault.')
    return pageOfFault(code as FaultCode)
  })
  app.register(async viewer => registerViewer(viewer, description))
}

/**
 * Metrics name ledgers: they are for this machine itself, for the token of who scrapes, which opens nothing else, and for
 * tokens that may read every ledger.
 */
function checkMayMeasure({ ports, tokens }: Kit, request: FastifyRequest): void {
  if (isLocal(request)) return
  const { authorization } = request.headers
  if (ports.metricsToken !== undefined && carries(authorization, ports.metricsToken)) return
  const caller = tokens.identify(authorization)
  if (!allows(caller.role, 'read') || !covers(caller.ledgers, '*')) {
    throw new Fault('forbidden', 'Metrics ask for the role read and for all ledgers.')
  }
}

/**
 * Whether the request comes from this machine and from nobody behind it: not through a proxy, and not from a page in a
 * browser here that had its own name point to us.
 */
function isLocal({ headers, raw }: FastifyRequest): boolean {
  if (headers['forwarded'] !== undefined || headers['x-forwarded-for'] !== undefined) return false
  if (!/^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(headers.host ?? '')) return false
  return /^(?:::ffff:)?127\.|^::1$/.test(raw.socket.remoteAddress ?? '')
}

const viewerCsp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** `make`, but made once, when it is first asked for: most services are never asked to describe themselves. */
function once<T extends object | string>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

async function registerViewer(app: FastifyInstance, description: () => object): Promise<void> {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders).header('x-request-id', request.id)
    done()
  })
  const document = { openapi: '3.1.0', info: { title: 'aep-ledger', version: '' }, paths: {}, toJSON: description }
  await app.register(swagger, { mode: 'static', specification: { document } })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: viewerCsp,
    theme: { title: 'aep-ledger' },
    uiConfig: { layout: 'BaseLayout', deepLinking: true, persistAuthorization: false },
  })
}
