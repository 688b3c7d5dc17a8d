import { z } from 'zod'
import { type LeaseViolationCode, leaseViolations } from '../projections/violations.ts'
import { seq } from './names.ts'
import { cursor, limitOf, pageOf } from './paging.ts'
import { moment } from './search.ts'

/** `GET …/leases` and `GET …/leases/{id}`: what every lease was worth at a moment. */

export const leaseStatuses = ['active', 'exhausted', 'expired', 'superseded', 'revoked'] as const

const at = moment
  .optional()
  .describe('The moment asked about, by event time; without it now, with all that is known however it is dated.')
const text = (says: string) => z.string().min(1).max(1024).optional().describe(says)

export const leasesQuery = z.strictObject({
  state: z.enum(leaseStatuses).optional().describe('Status at that moment.'),
  principal: text('Principal hash.'),
  server: text('Server id.'),
  tool: text('A tool that the lease grants.'),
  at,
  limit: limitOf(100, 1000),
  cursor,
})

export const leaseQuery = z.strictObject({ at, limit: limitOf(100, 1000), cursor })

const violationCodes = Object.keys(leaseViolations) as [LeaseViolationCode, ...LeaseViolationCode[]]

const violations = z.array(z.strictObject({ code: z.enum(violationCodes), seq, detail: z.string() }))
/** Violations of one lease, or of one id, that an answer tells at most. */
export const violationsToldMax = 20
const violationsTold = {
  violations: violations
    .max(violationsToldMax)
    .describe(
      `The newest, in the order in which they were found: at most ${violationsToldMax}. A search for the lease finds the entries that name it.`,
    ),
  violation_count: z.int().min(0).describe('How many there are in all.'),
}

export const lease = z
  .strictObject({
    lease_id: z.string(),
    principal_hash: z.string(),
    server_id: z.string(),
    granted_tools: z.array(z.string()),
    status: z.enum(leaseStatuses),
    invocation_count: z.int().min(0).describe('Uses counted up to that moment, one a decision.'),
    max_invocations: z.int().nullable().describe('null: without limit.'),
    expires_at: z.string().describe('As the emitter gave it.'),
    granted_seq: seq,
    ...violationsTold,
  })
  .meta({
    id: 'Lease',
    description: 'A lease as it stood at a moment. It is identified by `granted_seq`: ids may collide.',
  })

export const leasesPage = pageOf(lease).meta({ id: 'LeasesPage', description: 'By `granted_seq`.' })

export const leasesOfId = pageOf(lease).extend(violationsTold).meta({
  id: 'LeasesOfId',
  description:
    'By `granted_seq`; none where the id was only spoken of. Its own `violations` belong to no lease: they were found while nothing had been granted under the id.',
})
