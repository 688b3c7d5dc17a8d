import type { HealthPart } from '../http/ports.ts'
import type { Follower } from './follower.ts'
import type { Sequencer } from './sequencer.ts'

/** What `/readyz` and `doctor` are told of the parts. Search and leases are no reason to turn events away. */
export function healthOf(parts: {
  readonly sequencer: Pick<Sequencer, 'trouble' | 'queued' | 'ledgers' | 'head'>
  readonly search: { readonly ready: boolean; readonly detail: string }
  readonly state: Pick<Follower, 'failing' | 'position'>
}): readonly HealthPart[] {
  const { sequencer, search, state } = parts
  return [
    {
      name: 'log',
      ready: sequencer.trouble === undefined,
      detail: sequencer.trouble ?? `${sequencer.queued} events wait for a place`,
      essential: true,
    },
    {
      name: 'leases',
      ready: state.failing === undefined,
      detail: `${behind(sequencer, state)} entries behind${state.failing === undefined ? '' : `: ${state.failing}`}`,
      essential: false,
    },
    { name: 'search', ...search, essential: false },
  ]
}

/** Entries that a view has not folded yet, over all ledgers. */
function behind(sequencer: Pick<Sequencer, 'ledgers' | 'head'>, view: Pick<Follower, 'position'>): number {
  const lags = sequencer.ledgers().map(ledger => (sequencer.head(ledger)?.seq ?? -1) - view.position(ledger))
  return lags.reduce((sum, lag) => sum + Math.max(0, lag), 0)
}
