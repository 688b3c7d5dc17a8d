import type { HealthPart } from '../http/ports.ts'
import type { Follower } from './follower.ts'
import type { Placing } from './placing.ts'

/** What `/readyz` and `doctor` are told of the parts. Search and leases are no reason to turn events away. */
export function healthOf(parts: {
  readonly placing: Pick<Placing, 'trouble' | 'queued' | 'ledgers' | 'head'>
  /** What the way to run has parts of its own. */
  readonly own?: readonly HealthPart[]
  readonly search: { readonly ready: boolean; readonly detail: string }
  /** Where this process answers about leases. */
  readonly state?: Pick<Follower, 'failing' | 'position'>
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

function leasesPart(
  placing: Pick<Placing, 'ledgers' | 'head'>,
  state: Pick<Follower, 'failing' | 'position'>,
): HealthPart {
  const late = `${behind(placing, state)} entries behind`
  const isReady = state.failing === undefined
  return { name: 'leases', ready: isReady, detail: isReady ? late : `${late}: ${state.failing}`, essential: false }
}

/** Entries that a view has not folded yet, over all ledgers. */
function behind(placing: Pick<Placing, 'ledgers' | 'head'>, view: Pick<Follower, 'position'>): number {
  const lags = placing.ledgers().map(ledger => (placing.head(ledger)?.seq ?? -1) - view.position(ledger))
  return lags.reduce((sum, lag) => sum + Math.max(0, lag), 0)
}
