import { eventOf, identityOf, linksOf, offsetOf } from './chain.ts'
import { type Known, readerOf } from './kafka.ts'
import { type Answer, failing, type IntakeRecord, look, type State, type Step, type World } from './state.ts'

/** Rule 1: an http node sends one record after the other; where it hears nothing, the event is sent again. */
export function* sending(world: World, state: State): Generator<Step> {
  const event = world.events[state.sent]
  if (event === undefined) return
  const taken = (answer: 'waits' | 'nobody'): State => ({ ...state, intake: [...state.intake, { event, answer }] })
  yield [`${event} is taken in`, { ...taken('waits'), sent: state.sent + 1 }]
  yield* failing(world, state, `${event} is taken in, and the ack is lost`, taken('nobody'))
}

/** Rules 4 and 5: the node's replica reads on, and whoever waits for what it has is answered from it. */
export function* following(world: World, state: State): Generator<Step> {
  const { chain, next } = state.replica
  const { records } = look(world, state)
  // Where the topic was cut off it may hold less than the replica, and nothing is taken back.
  const found = readerOf(records) ?? nothingNew
  const replica = found.chain.length < chain.length ? { chain, next } : { ...found, next: Math.max(next, found.next) }
  if (world.without.includes('positionBelievedAlone') && replica.next > next) {
    const early = { chain, next: replica.next }
    yield ['the replica reads the position', answering({ ...state, replica: early }, early)]
  }
  if (replica.chain === chain && replica.next === next) return
  yield ['the replica reads on', answering({ ...state, replica }, replica)]
}

const nothingNew: Known = { chain: '', next: 0 }

/** The state with an answer for everybody who waits for something that `known` has. */
export function answering(state: State, known: Known): State {
  const links = linksOf(known.chain)
  const intake = state.intake.map((record, offset) => {
    const answer = record.answer === 'waits' ? answerTo(record, offset, links, known.next) : undefined
    return answer === undefined ? record : { ...record, answer }
  })
  return { ...state, intake }
}

/** An entry that names the record's own offset is the answer; else there is none before the position has passed it. */
function answerTo({ event }: IntakeRecord, offset: number, links: readonly string[], next: number): Answer | undefined {
  const seq = links.findIndex(link => identityOf(link) === identityOf(event))
  const link = links[seq]
  if (link !== undefined && offsetOf(link) === offset) return { says: 'created', seq }
  if (offset >= next) return undefined
  if (link === undefined) return { says: 'refused', seq }
  return { says: eventOf(link) === event ? 'duplicate' : 'conflict', seq }
}
