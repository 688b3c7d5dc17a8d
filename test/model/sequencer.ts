import { begins, type Chain, extend, identityOf, isPoison, linksOf } from './chain.ts'
import { ask, fence, type Heads, nothing, send, sendBeside, transactionOf } from './kafka.ts'
import { answering } from './node.ts'
import { failing, look, type Owner, off, type Rule, type State, type Step, type World } from './state.ts'

/** A process whose turn it is. */
interface Turn {
  readonly world: World
  readonly state: State
  readonly me: number
  readonly owner: Owner
  /** The transactional id that it uses, and whether that is still its own. */
  readonly id: number
  readonly holds: boolean
  readonly drops: (rule: Rule) => boolean
}

/** Rule 2: what process `me` may do, and what may happen to it. */
export function* sequencing(world: World, state: State, me: 0 | 1): Generator<Step> {
  const drops = (rule: Rule): boolean => world.without.includes(rule)
  const id = drops('idPerProcess') ? me : 0
  const holds = transactionOf(state.kafka, id).holder === me
  const turn = { world, state, me, owner: state.owners[me], id, holds, drops }
  yield* turns[turn.owner.at](turn)
  // Killed, or the partition is taken from it: what it has sent stays sent.
  if (turn.owner.at !== 'off') yield* failing(world, state, ...become(turn, 'stops', off))
  if (drops('fencedAnswers')) yield* answeringStill(turn)
}

const turns: Record<Owner['at'], (turn: Turn) => Generator<Step>> = {
  /** Who is given the partition is another's business: a fault only where somebody believes to have it still. */
  *off(turn) {
    const { world, state, me } = turn
    const step = become(turn, 'is assigned', { ...off, at: 'assigned' })
    if (state.owners[1 - me]?.at === 'off') yield step
    else yield* failing(world, state, ...step)
  },
  /** (a) */
  *assigned(turn) {
    if (turn.drops('readsBeforeFencing')) yield* readBack(turn, 'read')
    else yield* takeId(turn, 'fenced')
  },
  *read(turn) {
    yield* takeId(turn, 'ready')
  },
  /** (b), (c) */
  *fenced(turn) {
    yield* readBack(turn, 'ready')
  },
  /** (d): a batch of one or two, in a transaction. */
  *ready(turn) {
    const { state, owner, holds, id, drops } = turn
    for (let size = 1; size <= batchMax && owner.knows.next + size <= state.intake.length; size++) {
      if (!holds) return yield findFenced(turn)
      if (transactionOf(state.kafka, id).phase !== 'none') return
      const { entries, after } = seal(turn, size)
      const beside = drops('headsBesideTransaction')
      const kafka = send(beside ? sendBeside(state.kafka, id, after) : state.kafka, id, entries, beside ? [] : [after])
      const groupOffset = drops('offsetsOnRead') ? after.next : state.groupOffset
      const sent = { ...state, kafka, groupOffset, written: longest(state.written, after.chain) }
      yield become(turn, `sends up to offset ${after.next}`, { at: 'sent', sealed: after }, sent)
    }
  },
  *sent(turn) {
    const { state, id, holds, owner, drops } = turn
    if (!holds) return yield findFenced(turn)
    const asked = { ...state, kafka: ask(state.kafka, id) }
    yield become(
      turn,
      'asks to commit',
      { at: 'asked' },
      drops('answersBeforeCommit') ? answering(asked, owner.sealed) : asked,
    )
  },
  /** Nothing is believed before the answer comes. */
  *asked(turn) {
    if (!turn.holds) yield findFenced(turn)
    else yield* hearNothing(turn)
  },
  /** Who asks again after a lost answer may hear that it is fenced, though its commit was taken. */
  *told(turn) {
    yield become(turn, 'hears of the commit', committed(turn))
    if (!turn.holds) yield findFenced(turn)
    yield* hearNothing(turn)
  },
  *saves(turn) {
    const { state, owner } = turn
    yield become(turn, 'saves its offset', { at: 'ready' }, { ...state, groupOffset: owner.knows.next })
  },
}

const batchMax = 2

function become({ state, me }: Turn, says: string, changes: Partial<Owner>, rest: State = state): [string, State] {
  const owners = state.owners.map((owner, n) => (n === me ? { ...owner, ...changes } : owner)) as [Owner, Owner]
  return [`${'AB'[me]} ${says}`, { ...rest, owners }]
}

function* takeId(turn: Turn, at: 'fenced' | 'ready'): Generator<Step> {
  const kafka = fence(turn.state.kafka, turn.id, turn.me)
  if (kafka !== undefined) yield become(turn, 'takes the id', { at }, { ...turn.state, kafka })
}

/** Head and position, from the log alone. Ledger and heads must agree, or nothing is written. */
function* readBack(turn: Turn, at: 'read' | 'ready'): Generator<Step> {
  const { chain, heads } = look(turn.world, turn.state)
  if (chain === undefined || chain !== heads.chain) return
  const isGroups = turn.drops('offsetsOnRead') || turn.drops('offsetsAfterCommit')
  const next = isGroups ? turn.state.groupOffset : heads.next
  yield become(turn, 'reads back', { at, knows: { chain, next } })
}

/** It stays off until it is assigned the partition again. */
function findFenced(turn: Turn): Step {
  if (turn.drops('takesBack')) return become(turn, 'finds itself fenced', { ...off, at: 'assigned' })
  return become(turn, 'finds itself fenced', turn.drops('fencedAnswers') ? { at: 'off', sealed: nothing } : off)
}

const committed = ({ owner, drops }: Turn): Owner => ({
  at: drops('offsetsAfterCommit') ? 'saves' : 'ready',
  knows: owner.sealed,
  sealed: nothing,
})

/** The outcome is unknown: a new producer, and the whole take-over again. */
function* hearNothing(turn: Turn): Generator<Step> {
  const { world, state, owner, drops } = turn
  const says = 'hears nothing of its commit'
  if (drops('unknownIsNotWritten')) {
    yield* failing(world, state, ...become(turn, says, { at: 'read', sealed: nothing }))
  } else if (drops('unknownIsWritten')) {
    const answered = answering(state, owner.sealed)
    yield* failing(world, state, ...become(turn, says, { ...committed(turn), at: 'read' }, answered))
  } else {
    yield* failing(world, state, ...become(turn, says, { ...off, at: 'assigned' }))
  }
}

/** Places of the next events: a function of what it knows and what intake holds, and of nothing else. */
function seal({ state, owner, drops }: Turn, size: number): { entries: Chain[]; after: Heads } {
  let { chain } = owner.knows
  const entries: Chain[] = []
  const next = owner.knows.next + size
  for (let offset = owner.knows.next; offset < next; offset++) {
    const event = state.intake[offset]?.event ?? ''
    const known = linksOf(chain).slice(drops('forgetsIdentities') ? -1 : 0)
    if (isPoison(event) || known.some(link => identityOf(link) === identityOf(event))) continue
    chain = extend(chain, drops('stampsAtSealing') ? `${event}@${offset}~${state.faults}` : `${event}@${offset}`)
    entries.push(chain)
  }
  return { entries, after: { chain, next } }
}

/** A chain that another begins with says nothing besides it. */
function longest(chains: readonly Chain[], chain: Chain): Chain[] {
  if (chains.some(known => begins(known, chain))) return [...chains]
  return [...chains.filter(known => !begins(chain, known)), chain].sort()
}

function* answeringStill(turn: Turn): Generator<Step> {
  const answered = answering(turn.state, turn.owner.knows)
  const isNews = answered.intake.some(({ answer }, offset) => answer !== turn.state.intake[offset]?.answer)
  if (isNews) yield become(turn, 'answers from what it knows', {}, answered)
}
