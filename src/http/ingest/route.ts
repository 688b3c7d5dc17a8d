import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { Fault } from '../../base/fault.ts'
import {
  eventBytesMaxOf,
  eventTypeBatch,
  eventTypeOne,
  jsonType,
  ndjsonType,
  prefersAsync,
} from '../../contract/ingest.ts'
import type { Placement, TakenEvent } from '../../log/intake.ts'
import type { Kit } from '../kit.ts'
import { callerOf, route } from '../route.ts'
import { formOf, readEvents } from './read-events.ts'
import { receiptsText } from './receipts.ts'
import { takeEvents } from './take.ts'

/**
 * `POST …/events`: bytes in, receipts out. The body is read here from its bytes and never by the framework, so that
 * nothing is coerced, filled in or dropped on the way. Hot: everything but the intake happens in one turn.
 */
export function ingestRoutes(app: FastifyInstance, kit: Kit): void {
  for (const type of [eventTypeOne, eventTypeBatch, ndjsonType]) {
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  }
  const eventBytesMax = eventBytesMaxOf(kit.ports.limits.entryBytesMax)
  route(
    app,
    kit,
    'emitEvents',
    ({ request, reply, params }) => {
      const { ledger } = params
      const caller = callerOf(request)
      const { events, alone } = readEvents(
        formOf(request.headers['content-type']),
        bodyBytes(request),
        kit.ports.limits,
      )
      kit.rate.charge(caller.id, events.length - 1)
      const place = async (all: readonly TakenEvent[]): Promise<Placed> => {
        const placements = await kit.ports.intake.submit(ledger, all)
        count(kit, ledger, placements)
        return { all, placements }
      }
      const taken = takeEvents({ ports: kit.ports, ledger, caller, eventBytesMax }, events)
      const placing = Array.isArray(taken) ? place(taken) : taken.then(place)
      return within(kit.ports.limits.ingestWaitMs, placing).then(({ all, placements }) =>
        sendReceipts(request, reply, all, placements, alone),
      )
    },
    { onRequest: gate(kit) },
  )
}

interface Placed {
  readonly all: readonly TakenEvent[]
  readonly placements: readonly Placement[]
}

/**
 * What the intake answers, if it does so in time: a log that hangs must not hold requests for ever. What was handed over
 * goes on all the same, so that nobody knows what becomes of it, until the same events are sent again and found there or not.
 */
async function within(waitMs: number, placing: Promise<Placed>): Promise<Placed> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Fault('log-unavailable', lateDetail(waitMs))), waitMs)
  })
  try {
    return await Promise.race([placing, late])
  } finally {
    clearTimeout(timer)
  }
}

const lateDetail = (waitMs: number): string =>
  `The log gave no answer within ${waitMs / 1000} s. The events may or may not have their places: send the same request again, ` +
  'and those that have are answered with their receipts.'

/** Holds a place for the request from its head to the end of its answer; throws `overloaded` where there is none. */
function gate(kit: Kit): onRequestHookHandler {
  return (request, reply, done) => {
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      return done(new Fault('unsupported-media-type', `Content-Encoding ${encoding.slice(0, 40)} is not read here.`))
    }
    const bytesMax = kit.ports.limits.bodyBytesMax
    const bytes = Math.min(Number(request.headers['content-length'] ?? bytesMax), bytesMax)
    if (!kit.admission.enter(bytes)) return done(new Fault('overloaded', 'Too many requests are under way.'))
    reply.raw.once('close', () => kit.admission.leave(bytes))
    done()
  }
}

function bodyBytes(request: FastifyRequest): Uint8Array {
  if (request.body instanceof Uint8Array) return request.body
  throw new Fault('malformed-json', 'There is no body.')
}

function count(kit: Kit, ledger: string, placements: readonly Placement[]): void {
  let created = 0
  let duplicate = 0
  for (const { status } of placements) {
    if (status === 'created') created += 1
    else if (status === 'duplicate') duplicate += 1
  }
  kit.metrics.placed(created, duplicate, placements.length - created - duplicate)
  if (created > 0) kit.streams.wake(ledger)
}

function sendReceipts(
  request: FastifyRequest,
  reply: FastifyReply,
  events: readonly TakenEvent[],
  placements: readonly Placement[],
  alone: boolean,
): FastifyReply {
  const [first] = placements
  if (alone && first?.status === 'conflict') {
    const detail = `is the id of the entry at seq ${first.seq} (leaf hash ${first.leafHash}), which says something else`
    throw new Fault('event-conflict', 'Nothing was written.', [{ pointer: '/id', detail }])
  }
  const prefer = request.headers['prefer']
  const later = prefer !== undefined && prefersAsync(Array.isArray(prefer) ? prefer.join(',') : prefer)
  if (later) reply.header('preference-applied', 'respond-async')
  return reply
    .code(later ? 202 : 201)
    .header('content-type', jsonType)
    .send(receiptsText(events, placements))
}
