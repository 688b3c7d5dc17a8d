import type { Model } from './explore.ts'
import { grouping } from './group.ts'
import {
  cutOff,
  decide,
  emptyKafka,
  isMarked,
  markHeads,
  markLedger,
  nothing,
  restore,
  timeOut,
  transactionOf,
} from './kafka.ts'
import { keyOf } from './key.ts'
import { following, sending } from './node.ts'
import { sequencing } from './sequencer.ts'
import { failing, type Owner, off, type State, type Step, type World } from './state.ts'

/** Append, fence and recover: one intake, one ledger and one heads partition, two processes that sequence, one http node. */
export function protocol(world: World): Model<State> {
  const start: State = {
    faults: 0,
    sent: 0,
    intake: [],
    low: 0,
    kafka: emptyKafka(world.without.includes('idPerProcess') ? 2 : 1),
    assigned: undefined,
    owners: [off, off],
    replica: nothing,
    groupOffset: 0,
    written: [],
  }
  return {
    start,
    key: keyOf,
    *steps(state) {
      yield* sending(world, state)
      yield* following(world, state)
      yield* grouping(world, state)
      yield* sequencing(world, state, 0)
      yield* sequencing(world, state, 1)
      for (const id of state.kafka.transactions.keys()) yield* coordinating(world, state, id)
      if (world.loses) yield* losing(world, state)
    },
  }
}

/** What Kafka does of itself about transaction `id`. */
function* coordinating(world: World, state: State, id: number): Generator<Step> {
  const { phase, holder } = transactionOf(state.kafka, id)
  const whose = state.kafka.transactions.length === 1 ? '' : ` of ${'AB'[id]}’s`
  if (phase === 'asked') {
    const hear = (owner: Owner, me: number): Owner =>
      owner.at === 'asked' && me === holder ? { ...owner, at: 'told' } : owner
    const owners = [hear(state.owners[0], 0), hear(state.owners[1], 1)] as const
    yield [`the commit${whose} is decided`, { ...state, kafka: decide(state.kafka, id), owners }]
  }
  if (phase === 'decided' && !isMarked(state.kafka.ledger, id)) {
    yield [`the ledger gets its marker${whose}`, { ...state, kafka: markLedger(state.kafka, id) }]
  }
  if (phase === 'decided' && !isMarked(state.kafka.heads, id)) {
    yield [`the heads get their marker${whose}`, { ...state, kafka: markHeads(state.kafka, id) }]
  }
  const ended = timeOut(state.kafka, id)
  if (ended === undefined) return
  const step = [`the transaction${whose} times out`, { ...state, kafka: ended }] as const
  const at = holder === undefined ? 'off' : state.owners[holder]?.at
  // Kafka's promise where its producer is gone; a fault where that is only slow.
  if (at === 'sent' || at === 'asked') yield* failing(world, state, ...step)
  else yield step
}

/** The ledger topic loses records that it had, against its promise, until somebody puts them back. */
function* losing(world: World, state: State): Generator<Step> {
  const { ledger, cut } = state.kafka
  if (ledger.some(({ open }) => open)) return
  if (cut !== undefined) {
    yield ['the ledger topic is restored', { ...state, kafka: restore(state.kafka) }]
    return
  }
  for (const at of ledger.keys()) {
    const says = `the ledger topic loses its last ${ledger.length - at}`
    yield* failing(world, state, says, { ...state, kafka: cutOff(state.kafka, at) })
  }
}
