import { eventOf, identityOf, linksOf, offsetOf } from './chain.ts'
import type { Heads } from './kafka.ts'
import { type Answer, failing, type IntakeRecord, readOn, type State, type Step, type World } from './state.ts'

/** Rule 1: an http node sends one record after the other; where it hears nothing, the event is sent again. */
export function* sending(world: World, state: State): Generator<Step> {
  const event = world.events[state.sent]
  if (event === undefined) return
  const taken = (answer: 'waits' | 'nobody'): State => ({ ...state, intake: [...state.intake, { event, answer }] })
  yield [`${event} is taken in`, { ...taken('waits'), sent: state.sent + 1 }]
  yield* failing(world, state, `${event} is taken in, and the ack is lost`, taken('nobody'))
}

/** Rules 3 and 4: the node's replica reads on, and whoever waits for what it has passed is answered from it. */
export function* following(world: World, state: State): Generator<Step> {
  const { chain, next } = state.replica
  const replica = readOn(world, state, state.replica)
  if (replica.chain !== chain || replica.next !== next) {
    yield ['the replica reads on', answering({ ...state, replica }, replica)]
  }
}

/** The state with an answer for everybody who waits for something that `replica` has passed. */
export function answering(state: State, replica: Heads): State {
  const intake = state.intake.map((record, offset) =>
    record.answer === 'waits' && offset < replica.next
      ? { ...record, answer: answerTo(record, offset, linksOf(replica.chain)) }
      : record,
  )
  return { ...state, intake }
}

function answerTo({ event }: IntakeRecord, offset: number, links: readonly string[]): Answer {
  const seq = links.findIndex(link => identityOf(link) === identityOf(event))
  const link = links[seq]
  if (link === undefined) return { says: 'refused', seq }
  if (offsetOf(link) === offset) return { says: 'created', seq }
  return { says: eventOf(link) === event ? 'duplicate' : 'conflict', seq }
}
