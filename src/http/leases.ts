import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { Fault } from '../base/fault.ts'
import { readCursor, writeCursor } from '../contract/cursor.ts'
import type { lease, leaseQuery } from '../contract/leases.ts'
import { momentMs } from '../contract/moment.ts'
import type { LeaseAt, LeaseFilter } from '../projections/port.ts'
import type { Told } from '../projections/violations.ts'
import type { Kit } from './kit.ts'
import { type Exchange, headOf, isComplete, linkNext, route } from './route.ts'
import { cursorFault, defined } from './search.ts'

/** `GET …/leases` and `GET …/leases/{id}`: what the lease view says of a moment. */
export function leaseRoutes(app: FastifyInstance, kit: Kit): void {
  route(app, kit, 'listLeases', async exchange => {
    const { state: status, principal, server, tool } = exchange.query
    const filter = defined({ status, principal, server, tool })
    const { strays: _, ...page } = await pageOf(kit, exchange, exchange.query, filter)
    return page
  })
  route(app, kit, 'getLease', async exchange => {
    const { lease } = exchange.params
    const { strays, ...page } = await pageOf(kit, exchange, exchange.query, { lease })
    if (page.items.length === 0 && strays.violation_count === 0 && exchange.query.cursor === undefined) {
      throw new Fault('not-found', `No lease was granted under this id up to seq ${page.as_of}.`)
    }
    return { ...page, ...strays }
  })
}

type Paging = z.output<typeof leaseQuery>

async function pageOf(
  kit: Kit,
  { request, reply, params: { ledger } }: Exchange<'listLeases'> | Exchange<'getLease'>,
  { at, limit, cursor }: Paging,
  filter: LeaseFilter,
) {
  const { leases, suite, limits, clock } = kit.ports
  const scope = JSON.stringify(['leases', ledger, at ?? null, filter])
  const begin = cursor === undefined ? undefined : readCursor(suite, scope, cursor, 2)
  if (cursor !== undefined && begin === undefined) throw cursorFault()
  // The pages after the first stay at its moment, or a lease that expires meanwhile would stand on two or on none.
  const atMs = begin?.[0] ?? (at === undefined ? clock().getTime() : momentMs(at))
  if (atMs === undefined) throw new Error('the shape let a moment through that is none')
  const head = await headOf(kit, ledger)
  await leases.reached(ledger, head.seq, limits.readWaitMs)
  const page = await leases.list(ledger, filter, atMs, limit, begin?.[1], at === undefined)
  const next = page.next === undefined ? null : writeCursor(suite, scope, [atMs, page.next])
  if (next !== null) reply.header('link', linkNext(request, 'cursor', next))
  return {
    ...{ items: page.items.map(leaseOf), next, as_of: page.asOf, complete: isComplete(kit, page.asOf, head.seq) },
    strays: toldOf(page.strays),
  }
}

const toldOf = ({ violations, violationCount }: Told = { violations: [], violationCount: 0 }) => ({
  violations: violations.map(({ code, seq, detail }) => ({ code, seq, detail })),
  violation_count: violationCount,
})

function leaseOf({ lease: terms, status, invocationCount }: LeaseAt): z.output<typeof lease> {
  return {
    lease_id: terms.leaseId,
    principal_hash: terms.principal,
    server_id: terms.server,
    granted_tools: [...terms.tools],
    status,
    invocation_count: invocationCount,
    max_invocations: terms.maxInvocations ?? null,
    expires_at: terms.expiresAt,
    granted_seq: terms.grantedSeq,
    ...toldOf(terms),
  }
}
