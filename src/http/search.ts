import type { FastifyInstance } from 'fastify'
import { momentText } from '../aep/time.ts'
import { equalBytes, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { readCursor, writeCursor } from '../contract/cursor.ts'
import { jsonType } from '../contract/ingest.ts'
import { momentMs } from '../contract/moment.ts'
import type { SearchQuery } from '../contract/search.ts'
import { leafHashOf } from '../ledger/entry.ts'
import type { SearchCursor, SearchFilter, SearchHit } from '../query/port.ts'
import { base64Of } from './ingest/receipts.ts'
import type { Kit } from './kit.ts'
import { headOf, isComplete, linkNext, route } from './route.ts'

/** `GET …/events`: search. It waits a little for the rows to reach the head, and then says how far they go. */
export function searchRoutes(app: FastifyInstance, kit: Kit): void {
  const { search, suite, limits } = kit.ports
  route(app, kit, 'searchEvents', async ({ request, reply, params: { ledger }, query }) => {
    const { limit, cursor, ...asked } = query
    const scope = JSON.stringify(['events', ledger, asked])
    const after = cursor === undefined ? undefined : cursorOf(readCursor(suite, scope, cursor, 2))
    const head = await headOf(kit, ledger)
    await search.reached(ledger, head.seq, limits.readWaitMs)
    const page = await search.search(ledger, filterOf(query), limit, after)
    const items: string[] = []
    for (const hit of page.items) items.push(await hitText(kit, ledger, hit))
    const next = page.next === undefined ? null : writeCursor(suite, scope, [page.next.timeMs, page.next.seq])
    if (next !== null) reply.header('link', linkNext(request, 'cursor', next))
    const complete = isComplete(kit, page.asOf, head.seq)
    return reply
      .header('content-type', jsonType)
      .send(`{"items":[${items.join(',')}],"next":${JSON.stringify(next)},"as_of":${page.asOf},"complete":${complete}}`)
  })
}

function cursorOf(numbers: readonly number[] | undefined): SearchCursor {
  const [timeMs, seq] = numbers ?? []
  if (timeMs === undefined || seq === undefined) throw cursorFault()
  return { timeMs, seq }
}

/** What a cursor that continues nothing is answered with. */
export const cursorFault = (): Fault =>
  new Fault('invalid-request', 'A parameter does not fit.', [
    { pointer: 'cursor', detail: 'is none of this query: take `next` as it came, with the same other parameters' },
  ])

function filterOf(query: SearchQuery): SearchFilter {
  const { since, until, type, principal, run, session, server, tool } = query
  const { decision, deny_reason, side_effect, lease, policy, q } = query
  const words = q?.split(/\s+/).filter(word => word !== '')
  return defined({
    sinceMs: since === undefined ? undefined : momentMs(since),
    untilMs: until === undefined ? undefined : momentMs(until),
    types: type,
    principals: principal,
    runs: run,
    sessions: session,
    servers: server,
    tools: tool,
    decisions: decision,
    denyReasons: deny_reason,
    sideEffects: side_effect,
    leases: lease,
    policies: policy,
    words: words === undefined || words.length === 0 ? undefined : words,
  })
}

/** The members that are there. */
export const defined = <T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }

/**
 * An item of `searchPage`. The row is not believed: it has to be, byte for byte, the entry that the log holds at its seq,
 * with that entry's signature and leaf hash. Throws `row-damaged`. Cost: one read of the log and one hash.
 */
async function hitText(
  kit: Kit,
  ledger: string,
  { seq, leafHash, timeMs, signature, entry }: SearchHit,
): Promise<string> {
  const [stored] = await kit.ports.log.read(ledger, seq, 1)
  const holds =
    stored?.seq === seq &&
    equalBytes(stored.bytes, utf8(entry)) &&
    base64Of(stored.signature) === signature &&
    leafHashOf(kit.ports.suite, stored.bytes) === leafHash
  if (!holds) throw new Fault('row-damaged', `The row of ${ledger} ${seq} is not the entry that the log holds there.`)
  const time = momentText(timeMs) ?? String(timeMs)
  return `{"seq":${seq},"leaf_hash":"${leafHash}","time":"${time}","signature":"${signature}",` + `"entry":${entry}}`
}
