import { begins, type Chain, extend, identityOf, isPoison, linksOf } from './chain.ts'
import { ask, fence, type Known, nothing, readerOf, send, sendBeside, transactionOf, type Written } from './kafka.ts'
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

/** Rules 2 and 3: what process `me` may do, and what may happen to it. */
export function* sequencing(world: World, state: State, me: 0 | 1): Generator<Step> {
  const drops = (rule: Rule): boolean => world.without.includes(rule)
  const id = drops('idPerProcess') ? me : 0
  const holds = transactionOf(state.kafka, id).holder === me
  const turn = { world, state, me, owner: state.owners[me], id, holds, drops }
  const { at } = turn.owner
  yield* turns[at](turn)
  if (at === 'off') return
  const isAnothers = state.assigned !== undefined && state.assigned !== me
  // It finishes the step under way, so that it hears of nothing in the middle of one.
  const isBusy = at === 'sent' || at === 'asked' || at === 'told' || at === 'saves'
  if (isAnothers && !isBusy) yield become(turn, 'hears that the partition is another’s', off)
  // What it has sent stays sent. The group notices, and a process that is back is a new member.
  const left = { ...state, assigned: state.assigned === me ? undefined : state.assigned }
  yield* failing(world, state, ...become(turn, 'is killed', off, left))
}

const turns: Record<Owner['at'], (turn: Turn) => Generator<Step>> = {
  *off(turn) {
    if (turn.state.assigned === turn.me) yield become(turn, 'hears that the partition is its own', { at: 'assigned' })
  },
  /** (a) */
  *assigned(turn) {
    if (turn.drops('readsBeforeFencing')) yield* readBack(turn, 'read')
    else yield* takeId(turn, 'taken')
  },
  *read(turn) {
    yield* takeId(turn, 'ready')
  },
  /** (b), (c) */
  *taken(turn) {
    yield* readBack(turn, 'ready')
  },
  /** (d): a step of one or two, in a transaction. */
  *ready(turn) {
    const { state, owner, holds, id, drops } = turn
    if (turn.world.loses && owner.knows.next > state.low) {
      yield become(turn, 'lets go of intake', {}, { ...state, low: owner.knows.next })
    }
    // What it would read is gone, for somebody else has placed it.
    if (owner.knows.next < state.low) {
      if (!drops('waitsForLostIntake')) yield become(turn, 'finds its place in intake gone', again)
      return
    }
    for (let size = 1; size <= batchMax && owner.knows.next + size <= state.intake.length; size++) {
      if (!holds) return yield findFenced(turn)
      if (transactionOf(state.kafka, id).phase !== 'none') return
      const { step, after } = seal(turn, size)
      const kafka = sendStep(turn, step, after.next)
      const isInPlace = state.kafka.ledger.length === owner.expects || drops('standsAnywhere')
      const expects = isInPlace ? kafka.ledger.length : -1
      const groupOffset = drops('offsetsOnRead') ? after.next : state.groupOffset
      const sent = { ...state, kafka, groupOffset, written: longest(state.written, after.chain) }
      yield become(turn, `sends up to offset ${after.next}`, { at: 'sent', sealed: after, expects }, sent)
    }
  },
  *sent(turn) {
    const { world, state, id, holds, owner, drops } = turn
    if (!holds) return yield findFenced(turn)
    const asked = { ...state, kafka: ask(state.kafka, id) }
    const rest = drops('answersBeforeCommit') ? answering(asked, owner.sealed) : asked
    yield become(turn, 'asks to commit', { at: 'asked' }, rest)
    yield* failing(world, state, ...become(turn, 'hears nothing of what it sent', again))
  },
  /** Nothing is believed before the answer comes. */
  *asked(turn) {
    if (!turn.holds) yield findFenced(turn)
    else yield* hearNothing(turn)
  },
  /** Who asks again after a lost answer may hear that it is fenced, though its commit was taken. */
  *told(turn) {
    const { world, state, owner, holds, drops } = turn
    // Somebody else wrote, or something is gone: what is there has to be read.
    if (owner.expects === -1) yield become(turn, 'finds its records elsewhere', again)
    else {
      yield become(turn, 'hears of the commit', committed(turn))
      const answered = answering(state, owner.sealed)
      if (world.within && isNews(state, answered)) {
        yield become(turn, 'hears of the commit, and answers', committed(turn), answered)
      }
    }
    if (!holds) yield findFenced(turn)
    if (drops('headFromMemory')) {
      const changes = { ...again, remembers: owner.remembers ?? owner.knows.chain }
      yield* failing(world, state, ...become(turn, 'can’t keep what it committed', changes))
    }
    yield* hearNothing(turn)
  },
  *saves(turn) {
    const { state, owner } = turn
    yield become(turn, 'saves its offset', { at: 'ready' }, { ...state, groupOffset: owner.knows.next })
  },
  /** It stays off until the group confirms that the partition is its own. */
  *fenced(turn) {
    if (turn.state.assigned === turn.me && !turn.drops('neverLooks')) {
      yield become(turn, 'is confirmed by the group', { at: 'assigned' })
    }
  },
}

const batchMax = 2

function become({ state, me }: Turn, says: string, changes: Partial<Owner>, rest: State = state): [string, State] {
  const owners = state.owners.map((owner, n) => (n === me ? { ...owner, ...changes } : owner)) as [Owner, Owner]
  return [`${'AB'[me]} ${says}`, { ...rest, owners }]
}

function* takeId(turn: Turn, at: 'taken' | 'ready'): Generator<Step> {
  const kafka = fence(turn.state.kafka, turn.id, turn.me)
  if (kafka !== undefined) yield become(turn, 'takes the id', { at }, { ...turn.state, kafka })
}

/** Chain and position, from the ledger alone. The head must be its end, or nothing is written: it is tried again. */
function* readBack(turn: Turn, at: 'read' | 'ready'): Generator<Step> {
  const { world, state, owner, drops } = turn
  const { records, head } = look(world, state)
  const found = readerOf(records)
  const isWhole = records.length === 0 || records.at(-1)?.next !== undefined
  if (found === undefined || !isWhole) return
  if (found.chain !== head && !drops('headsUnchecked')) return
  const chain = owner.remembers ?? found.chain
  const place = drops('offsetsOnRead') || drops('offsetsAfterCommit') ? state.groupOffset : found.next
  const next = drops('skipsLostIntake') ? Math.max(place, state.low) : place
  if (next < state.low && !drops('waitsForLostIntake')) return
  yield become(turn, 'reads back', { at, knows: { chain, next }, expects: records.length })
}

function findFenced(turn: Turn): Step {
  return become(turn, 'finds itself fenced', { ...off, at: turn.drops('takesBack') ? 'assigned' : 'fenced' })
}

const committed = ({ owner, drops }: Turn): Partial<Owner> => ({
  at: drops('offsetsAfterCommit') ? 'saves' : 'ready',
  knows: owner.sealed,
  sealed: nothing,
})

/** A new producer, and the whole take-over again. */
const again: Owner = { ...off, at: 'assigned' }

function* hearNothing(turn: Turn): Generator<Step> {
  const { world, state, owner, drops } = turn
  const says = 'hears nothing of its commit'
  if (drops('unknownIsNotWritten')) {
    yield* failing(world, state, ...become(turn, says, { at: 'read', sealed: nothing }))
  } else if (drops('unknownIsWritten')) {
    const answered = answering(state, owner.sealed)
    yield* failing(world, state, ...become(turn, says, { ...committed(turn), at: 'read' }, answered))
  } else {
    yield* failing(world, state, ...become(turn, says, again))
  }
}

/** Places of the next events: a function of what it knows and what intake holds, and of nothing else. */
function seal({ state, owner, drops }: Turn, size: number): { step: Written[]; after: Known } {
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
  // A step of no entry is a mark.
  const last = entries.pop()
  const mark = drops('marksStandAlone') ? { entry: '', next } : { entry: '', next, on: chain }
  const step = [
    ...entries.map(entry => ({ entry, next: undefined })),
    last === undefined ? mark : { entry: last, next },
  ]
  return { step, after: { chain, next } }
}

function sendStep({ state, owner, id, drops }: Turn, step: readonly Written[], next: number) {
  if (!drops('positionBesideTransaction')) return send(state.kafka, id, step)
  const without = step.map(written => (written.next === undefined ? written : { ...written, next: owner.knows.next }))
  return send(sendBeside(state.kafka, id, next), id, without)
}

/** A chain that another begins with says nothing besides it. */
function longest(chains: readonly Chain[], chain: Chain): Chain[] {
  if (chains.some(known => begins(known, chain))) return [...chains]
  return [...chains.filter(known => !begins(chain, known)), chain].sort()
}

const isNews = (before: State, after: State): boolean =>
  after.intake.some(({ answer }, offset) => answer !== before.intake[offset]?.answer)
