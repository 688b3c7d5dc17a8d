import { failing, type State, type Step, type World } from './state.ts'

/**
 * Whom the group gives the partition to, which it does once for whoever joins, and again when it believes a member gone or a
 * member comes: a fault, for the one before may be at work still. Nobody hears of it at once.
 */
export function* grouping(world: World, state: State): Generator<Step> {
  for (const process of [0, 1]) {
    if (process === state.assigned) continue
    const step = [`the group gives the partition to ${'AB'[process]}`, { ...state, assigned: process }] as const
    if (state.assigned === undefined) yield step
    else yield* failing(world, state, ...step)
  }
}
