import type { HealthPart } from '../http/ports.ts'
import type { Placing } from './placing.ts'
import type { FollowedState } from './state-view.ts'

type StateHealth = Pick<FollowedState['follower'], 'failing' | 'position' | 'note'>

/** What `/readyz` and `doctor` are told of the parts. Search and leases are no reason to turn events away. */
export function healthOf(parts: {
  readonly placing: Pick<Placing, 'trouble' | 'queued' | 'ledgers' | 'head'>
  /** What the way to run has parts of its own. */
  readonly own?: readonly HealthPart[]
  readonly search: { readonly ready: boolean; readonly detail: string }
  /** Where this process keeps the state of leases. */
  readonly state?: StateHealth
}): readonly HealthPart[] {
  const { placing, own = [], search, state } = parts
  return [
    {
      name: 'log',
      ready: placing.trouble === undefined,
      detail: placing.trouble ?? `${placing.queued} events wait for a place`,
      essential: true,
    },
    ...own,
    ...(state === undefined ? [] : [leasesPart(placing, state)]),
    { name: 'search', ...search, essential: false },
  ]
}

function leasesPart(placing: Pick<Placing, 'ledgers' | 'head'>, state: StateHealth): HealthPart {
  const late = `${behind(placing, state)} entries behind`
  const says = state.failing ?? state.note
  const detail = says === undefined ? late : `${late}: ${says}`
  return { name: 'leases', ready: state.failing === undefined, detail, essential: false }
}

/** Entries that a view has not folded yet, over all ledgers. */
function behind(placing: Pick<Placing, 'ledgers' | 'head'>, view: Pick<StateHealth, 'position'>): number {
  const lags = placing.ledgers().map(ledger => (placing.head(ledger)?.seq ?? -1) - view.position(ledger))
  return lags.reduce((sum, lag) => sum + Math.max(0, lag), 0)
}
