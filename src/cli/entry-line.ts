import { factsOf } from '../aep/event/facts-of.ts'
import type { AepEvent } from '../aep/event/schema.ts'
import type { Fact } from '../aep/facts.ts'
import { shown } from './terminal.ts'

/** What an event says in a line: what was decided or done, where, by whom, in which run. */
export function gist(event: AepEvent): string {
  const facts = factsOf(event)
  const [first] = facts
  if (first === undefined) return shown(own(event))
  const told = [saying(first), place(first), principal(first), first.run === undefined ? '' : `run ${first.run}`]
  if (facts.length > 1) told.push(`and ${facts.length - 1} more`)
  return shown(told.filter(part => part !== '').join('  '))
}

function saying(fact: Fact): string {
  switch (fact.kind) {
    case 'decision':
      return [fact.decision ?? 'undecided', fact.denyReason, fact.sideEffect]
        .filter(part => part !== undefined)
        .join(' ')
    case 'lease-granted':
      return `lease ${fact.lease} granted: ${fact.tools.join(' ')} until ${fact.expiresAt}`
    case 'lease-used':
      return `lease ${fact.lease} used`
    case 'lease-revoked':
      return `lease ${fact.lease} revoked`
    case 'receipt':
      return `approved ${fact.approval}`
    case 'consent':
      return `consent ${fact.op}`
    case 'taint':
      return `taint ${fact.trust ?? 'unknown'}`
    case 'vetting':
      return ['vetted', ...fact.reasons.slice(0, 1)].join(' ')
    case 'result':
      return `${fact.outcome ?? 'unknown'}${fact.drift === true ? ', drifted' : ''}`
    case 'session-opened':
      return 'session opened'
    case 'session-closed':
      return 'session closed'
    case 'gap':
      return `${fact.count} events given up`
    default:
      return fact satisfies never
  }
}

const place = ({ server, tool }: Fact): string => [server, tool].filter(part => part !== undefined).join('/')
const principal = ({ principal: id }: Fact): string => (id === undefined ? '' : `by ${id.slice(0, 12)}`)

/** What the ledger says about itself. */
function own(event: AepEvent): string {
  switch (event.type) {
    case 'aep.ledger.created':
      return `key ${event.data.key.key_id}`
    case 'aep.ledger.key.rotated':
      return `from ${event.data.from} to ${event.data.key.key_id}`
    case 'aep.ledger.key.added':
    case 'aep.ledger.emitter.registered':
      return event.data.key.key_id
    case 'aep.ledger.key.revoked':
    case 'aep.ledger.emitter.revoked':
      return event.data.key_id
    case 'aep.ledger.conflict':
      return `${event.data.source} ${event.data.id}, first at seq ${event.data.first_seq}`
    default:
      return ''
  }
}
