import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { textOf, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { dsseLinesType, entriesLimit, eventStreamType } from '../contract/entries.ts'
import { jsonType } from '../contract/ingest.ts'
import { readEntry } from '../ledger/decode.ts'
import { type Head, leafHashOf, type StoredEntry } from '../ledger/entry.ts'
import { base64Of } from './ingest/receipts.ts'
import type { Kit } from './kit.ts'
import { exportLines, followEvents } from './read-log.ts'
import { callerOf, type Exchange, headOf, linkNext, route } from './route.ts'

/** `GET …/entries`: the log as a page, an export or a stream, always complete and in order. */
export function entryRoutes(app: FastifyInstance, kit: Kit): void {
  route(app, kit, 'listEntries', async exchange => {
    const head = await headOf(kit, exchange.params.ledger)
    if (exchange.request.answerType === jsonType) return sendPage(kit, exchange, head)
    if (exchange.query.limit !== undefined) {
      const errors = [{ pointer: 'limit', detail: 'is for pages: an export and a stream take `to`' }]
      throw new Fault('invalid-request', 'A parameter does not fit.', errors)
    }
    return exchange.request.answerType === dsseLinesType
      ? sendExport(kit, exchange, head)
      : sendStream(kit, exchange, head)
  })
  route(app, kit, 'getEntry', async ({ reply, params }) => {
    const stored = await entryAt(kit, params.ledger, params.seq)
    return reply.header('content-type', jsonType).send(itemText(kit, stored))
  })
  route(app, kit, 'getRecord', async ({ reply, params }) => {
    const { event } = readEntry((await entryAt(kit, params.ledger, params.seq)).bytes)
    if (event.type !== 'aep.record') throw new Fault('not-found', `The entry at seq ${params.seq} holds no AEP record.`)
    const { data } = event
    const bytes = 'record' in data ? utf8(data.record) : await kit.ports.log.record(data.record_digest)
    if (bytes === undefined) throw new Fault('not-found', 'The record is not kept here any more.')
    return reply.header('content-type', 'application/octet-stream').send(bytes)
  })
}

async function entryAt(kit: Kit, ledger: string, seq: number): Promise<StoredEntry> {
  const head = await headOf(kit, ledger)
  const [stored] = await kit.ports.log.read(ledger, seq, 1)
  if (stored?.seq !== seq) throw new Fault('not-found', `There is no seq ${seq}: ${ledger} ends at ${head.seq}.`)
  return stored
}

async function sendPage(kit: Kit, { request, reply, params, query }: Exchange<'listEntries'>, head: Head) {
  const { from = 0, limit = entriesLimit, to = Number.MAX_SAFE_INTEGER } = query
  const end = Math.min(to, head.seq + 1)
  const found = from >= end ? [] : await kit.ports.log.read(params.ledger, from, Math.min(limit, end - from))
  const after = from + found.length
  const next = found.length > 0 && after < end ? after : null
  if (next !== null) reply.header('link', linkNext(request, 'from', String(next)))
  const items = found.map(stored => itemText(kit, stored)).join(',')
  return reply
    .header('content-type', jsonType)
    .send(`{"items":[${items}],"next":${next},"as_of":${head.seq},"complete":true}`)
}

/** An item of `entriesPage`, its entry as the log has it: nothing is written anew. */
function itemText(kit: Kit, { seq, bytes, signature }: StoredEntry): string {
  const { recorded_at, key_id } = readEntry(bytes)
  return (
    `{"seq":${seq},"leaf_hash":"${leafHashOf(kit.ports.suite, bytes)}","recorded_at":"${recorded_at}",` +
    `"key_id":${JSON.stringify(key_id)},"signature":"${base64Of(signature)}","entry":${textOf(bytes)}}`
  )
}

function sendExport(kit: Kit, { reply, params, query }: Exchange<'listEntries'>, head: Head): FastifyReply {
  const place = placeFor(kit, reply)
  const range = { ledger: params.ledger, from: query.from ?? 0, to: Math.min(query.to ?? head.seq + 1, head.seq + 1) }
  return reply
    .header('content-type', dsseLinesType)
    .send(Readable.from(exportLines(kit.ports.log, range, place.signal)))
}

function sendStream(kit: Kit, { request, reply, params, query }: Exchange<'listEntries'>, head: Head): FastifyReply {
  const seen = request.headers['last-event-id']
  if (seen !== undefined && !(typeof seen === 'string' && /^\d{1,15}$/.test(seen))) {
    throw new Fault('invalid-request', 'A header does not fit.', [{ pointer: 'last-event-id', detail: 'takes a seq' }])
  }
  const place = placeFor(kit, reply)
  const from = seen === undefined ? (query.from ?? head.seq + 1) : Number(seen) + 1
  const range = { ledger: params.ledger, from, to: query.to ?? Number.MAX_SAFE_INTEGER }
  const caller = callerOf(request)
  const events = followEvents(kit, range, place.signal, () => kit.tokens.isLive(caller.id))
  return reply.header('content-type', eventStreamType).send(Readable.from(events))
}

/** A place among the streams, given back when the connection or the service ends. */
function placeFor(kit: Kit, reply: FastifyReply): AbortController {
  const place = kit.streams.open()
  if (place === undefined) throw new Fault('overloaded', 'Too many exports and streams are under way.')
  reply.raw.once('close', () => place.abort())
  return place
}
