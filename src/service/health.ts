import type { HealthPart } from '../http/ports.ts'
import type { Sequencer } from './sequencer.ts'

/** What `/readyz` and `doctor` are told of the parts. Search and leases are no reason to turn events away. */
export function healthOf(parts: {
  readonly sequencer: Sequencer
  readonly search: { readonly ready: boolean; readonly detail: string }
  readonly state: { readonly behind: number; readonly failing: string | undefined }
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
      detail: state.failing ?? `${state.behind} entries behind`,
      essential: false,
    },
    { name: 'search', ...search, essential: false },
  ]
}
