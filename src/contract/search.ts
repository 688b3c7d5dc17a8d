import { z } from 'zod'
import { eventTypes } from '../aep/event/schema.ts'
import { entry } from './entries.ts'
import { momentMs, momentPattern } from './moment.ts'
import { leafHash, seq, signature } from './names.ts'
import { cursor, limitOf, pageOf } from './paging.ts'

/** `GET …/events`: search. Values of one parameter are ORed, parameters are ANDed. */

const momentTakes = 'takes an RFC 3339 date and time, or milliseconds since the epoch'

export const moment = z
  .string()
  .max(40)
  .regex(momentPattern, momentTakes)
  .refine(text => momentMs(text) !== undefined, momentTakes)
  .meta({
    id: 'Moment',
    description: 'RFC 3339 date and time, or whole milliseconds since the epoch.',
    examples: ['2026-01-01T00:00:00Z', '1767225600000'],
  })

const values = (says: string) => z.array(z.string().min(1).max(1024)).max(100).optional().describe(says)

export const searchQuery = z.strictObject({
  since: moment.optional().describe('Event time from here on, inclusive.'),
  until: moment.optional().describe('Event time before here, exclusive.'),
  type: z.array(z.enum(eventTypes)).max(100).optional().describe('Event type.'),
  principal: values('Principal hash.'),
  run: values('Run id.'),
  session: values('Session id.'),
  server: values('Server id.'),
  tool: values('Tool name.'),
  decision: values('`allow`, `deny`, `ask_user`, `dry_run`.'),
  deny_reason: values('Class of the reason for a denial.'),
  side_effect: values('Class of the side effect; `unknown` finds the undeclared as well.'),
  lease: values('Lease id.'),
  policy: values('Policy id.'),
  q: z.string().max(1000).optional().describe('Words that all stand in the reasons.'),
  limit: limitOf(50, 1000),
  cursor,
})

export type SearchQuery = z.output<typeof searchQuery>

export const searchHit = z
  .strictObject({
    seq,
    leaf_hash: leafHash,
    time: z.string().describe('When it happened, by the emitter: RFC 3339 UTC with milliseconds.'),
    signature,
    entry,
  })
  .meta({ id: 'SearchHit', description: 'A hit: the entry itself, so that it can be checked.' })

export const searchPage = pageOf(searchHit).meta({ id: 'SearchPage', description: 'Newest first, by time and seq.' })
