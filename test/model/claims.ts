import { begins, identityOf, isPoison, linksOf, offsetOf, prevOf } from './chain.ts'
import { type Known, nothing, readerOf, settled } from './kafka.ts'
import type { Answer, State } from './state.ts'

/** What must be true in every state: each claim has a complaint, or nothing, to say. What a topic has lost counts as there. */
export const claims = {
  /** Each record follows on the one before: no gap, no fork, no repetition. Stronger than `chain`. */
  once({ kafka }: State) {
    const entries = settled(kafka)
      .map(({ entry }) => entry)
      .filter(entry => entry !== '')
    const wrong = entries.find((entry, n, all) => prevOf(entry) !== (all[n - 1] ?? ''))
    return wrong && `${wrong} does not follow on what is before it`
  },
  /** Records make one chain for a reader who drops what it has, byte for byte. */
  chain({ kafka }: State) {
    return readerOf(settled(kafka)) === undefined ? 'there is a fork or a gap' : undefined
  },
  /** What anybody took for committed stays. */
  prefix(state: State) {
    const believed = [state.replica, ...state.owners.map(({ knows }) => knows)].map(({ chain }) => chain)
    const { chain: truth } = truthOf(state)
    const wrong = believed.find(chain => !begins(truth, chain))
    return wrong && `${wrong} was taken for committed`
  },
  identity(state: State) {
    const identities = linksOf(truthOf(state).chain).map(identityOf)
    const twice = identities.find((identity, n) => identities.indexOf(identity) !== n)
    return twice && `${twice} has two places`
  },
  /** An emitter's events stand as it sent them: its own count rises. */
  order(state: State) {
    const identities = linksOf(truthOf(state).chain).map(identityOf)
    const wrong = identities.find((identity, n) =>
      identities.slice(0, n).some(before => before[0] === identity[0] && before > identity),
    )
    return wrong && `${wrong} stands behind a later one`
  },
  position(state: State) {
    const { chain, next } = truthOf(state)
    const passed = state.intake.slice(0, Math.max(next, state.groupOffset))
    const placed = linksOf(chain).map(identityOf)
    const lost = passed.find(({ event }) => !isPoison(event) && !placed.includes(identityOf(event)))
    return lost && `${lost.event} was passed, and has no place`
  },
  /** Whatever was sent, aborted or not, is one chain: what is made again is the same to the byte. */
  remade({ written }: State) {
    return written.length > 1 ? `${written.join(' and ')} were both sent` : undefined
  },
  /** An answer is true of the ledger for ever; as `created` names the first place of its identity, there is one at most. */
  answers(state: State) {
    const links = linksOf(truthOf(state).chain)
    const wrong = state.intake.find(
      ({ event, answer }, offset) => typeof answer !== 'string' && !isTrue(answer, event, offset, links),
    )
    return wrong && `${wrong.event} was answered ${JSON.stringify(wrong.answer)}`
  },
} satisfies Record<string, (state: State) => string | undefined>

export type Claim = keyof typeof claims

/** Everything that was sent is in intake, is done with, and was answered if somebody waits. */
export function isDone(state: State, events: number): boolean {
  const { sent, intake, kafka } = state
  const isPlaced = kafka.cut === undefined && truthOf(state).next === intake.length
  return sent === events && isPlaced && intake.every(({ answer }) => answer !== 'waits')
}

const truthOf = ({ kafka }: State): Known => readerOf(settled(kafka)) ?? nothing

function isTrue({ says, seq }: Answer, event: string, offset: number, links: readonly string[]): boolean {
  const link = links[seq]
  if (link === undefined) return says === 'refused' && isPoison(event)
  if (links.findIndex(one => identityOf(one) === identityOf(event)) !== seq) return false
  const isSame = link.startsWith(`${event}@`)
  switch (says) {
    case 'created':
      return offsetOf(link) === offset
    case 'duplicate':
      return offsetOf(link) !== offset && isSame
    case 'conflict':
      return !isSame
    case 'refused':
      return false
  }
}
