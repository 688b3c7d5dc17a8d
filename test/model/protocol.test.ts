import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type Claim, claims, isDone } from './claims.ts'
import { explore, findLoop, findStranded, findTrouble, type Graph, type Trouble } from './explore.ts'
import { protocol } from './protocol.ts'
import { type Rule, rules, type State, type World } from './state.ts'

const page = readFileSync(new URL('../../docs/model.md', import.meta.url), 'utf8')
const claimNames = Object.keys(claims) as Claim[]

/** Far above what any world here has: a rule that makes states without end is stopped by it. */
const statesMax = 400_000

/** A claim that is broken; that something is never placed or answered; that owners take turns for ever. */
type Breakage = Claim | 'stranded' | 'loop'

/** Everything that is wrong anywhere among the world's states, each with a shortest way there. */
function breakagesOf(graph: Graph<State>, world: World): Map<Breakage, Trouble> {
  const found = new Map<Breakage, Trouble>()
  const note = (breakage: Breakage, trouble: Trouble | undefined): void => {
    if (trouble !== undefined) found.set(breakage, trouble)
  }
  for (const claim of claimNames) note(claim, findTrouble(graph, claims[claim]))
  note(
    'stranded',
    findStranded(graph, state => isDone(state, world.events.length)),
  )
  note('loop', findLoop(graph))
  return found
}

function assertBreaks(world: World, expected: readonly Breakage[]): Map<Breakage, Trouble> {
  const found = breakagesOf(explore(protocol(world), statesMax), world)
  const report = [...found].map(([name, { complaint, trace }]) => `${name}: ${complaint}\n  ${trace.join('\n  ')}`)
  assert.deepEqual([...found.keys()], expected, report.join('\n'))
  return found
}

const sound: readonly { readonly world: World; readonly says: string; readonly states: number }[] = [
  {
    world: { events: ['a1', 'a2', 'a1'], faultsMax: 2, without: [] },
    says: 'two events of an emitter, one of them sent again; two faults',
    states: 79_360,
  },
  {
    world: { events: ['a1', "a1'", '!x', 'a2'], faultsMax: 1, without: [] },
    says: 'an identity that comes with other content, a record that nobody may place; one fault',
    states: 22_744,
  },
  {
    world: { events: ['a1'], faultsMax: 3, without: [] },
    says: 'one event; three faults',
    states: 12_870,
  },
  {
    world: { events: ['a1', 'a2'], faultsMax: 2, within: true, without: [] },
    says: 'those who wait do so at the processes that sequence; two faults',
    states: 33_098,
  },
  {
    world: { events: ['a1', 'a1'], faultsMax: 2, loses: true, without: [] },
    says: 'the ledger topic may be cut off, and is restored; two faults',
    states: 44_227,
  },
]

describe('append, fence and recover', () => {
  for (const { world, says, states } of sound) {
    it(`holds in every state, and every run ends with all placed and answered: ${says}`, () => {
      const graph = explore(protocol(world), statesMax)
      assert.deepEqual([...breakagesOf(graph, world)], [])
      assert.equal(graph.states.length, states)
      assert.ok(page.includes(states.toLocaleString('en')), `the page says ${states}`)
      const happened = new Set(graph.edges.flat().map(({ name }) => name.replace(/^[AB] /, '')))
      for (const event of [
        'a1 is taken in, and the ack is lost',
        'hears that the partition is another’s',
        'is killed',
        'finds itself fenced',
        'is confirmed by the group',
        'hears nothing of what it sent',
        'hears nothing of its commit',
        'the transaction times out',
        ...(world.events.length > 1 ? ['sends up to offset 2'] : []),
        ...(world.within ? ['hears of the commit, and answers'] : []),
        ...(world.loses ? ['the ledger topic is restored', 'finds its records elsewhere', 'lets go of intake'] : []),
      ]) {
        assert.ok(happened.has(event), event)
      }
      const answers = graph.states.flatMap(({ intake }) => intake.map(({ answer }) => answer))
      const said = new Set(answers.map(answer => (typeof answer === 'string' ? answer : answer.says)))
      const others = world.events.length > 1 || world.faultsMax > 1 ? ['duplicate'] : []
      for (const kind of ['created', ...others, ...(world.events.includes('!x') ? ['conflict', 'refused'] : [])]) {
        assert.ok(said.has(kind as 'created'), kind)
      }
    })
  }
})

/** Small worlds in which a rule is missed; `breaks` is all that goes wrong there, in the order of the claims. */
const dropped: readonly (Partial<World> & { readonly rule: Rule; readonly breaks: readonly Breakage[] })[] = [
  { rule: 'readsBeforeFencing', breaks: ['once'] },
  // One that looks where its records stand would send them again and again while another's transaction is open.
  { rule: 'idPerProcess', without: ['standsAnywhere'], breaks: ['once'] },
  { rule: 'forgetsIdentities', events: ['a1', 'a2', 'a1'], breaks: ['identity', 'order'] },
  { rule: 'offsetsOnRead', breaks: ['position', 'remade', 'answers', 'stranded'] },
  { rule: 'offsetsAfterCommit', breaks: [] },
  { rule: 'positionBesideTransaction', breaks: ['position', 'remade', 'answers'] },
  { rule: 'unknownIsNotWritten', breaks: ['once'] },
  { rule: 'unknownIsWritten', breaks: ['once', 'chain', 'prefix', 'answers', 'stranded'] },
  { rule: 'readsUncommitted', breaks: ['prefix', 'answers'] },
  { rule: 'takesBack', breaks: ['loop'] },
  { rule: 'neverLooks', breaks: ['stranded'] },
  { rule: 'answersBeforeCommit', breaks: ['answers'] },
  { rule: 'stampsAtSealing', breaks: ['remade'] },
  { rule: 'positionBelievedAlone', breaks: ['answers'] },
  { rule: 'headsUnchecked', events: ['a1'], faultsMax: 2, loses: true, breaks: ['once'] },
  { rule: 'waitsForLostIntake', events: ['a1'], faultsMax: 2, loses: true, breaks: ['stranded'] },
  { rule: 'marksStandAlone', events: ['a1'], faultsMax: 2, loses: true, breaks: ['answers'] },
  { rule: 'skipsLostIntake', events: ['a1'], faultsMax: 2, loses: true, breaks: [] },
  { rule: 'standsAnywhere', events: ['a1'], faultsMax: 2, loses: true, breaks: [] },
  { rule: 'headFromMemory', breaks: ['once', 'chain', 'prefix', 'remade', 'answers', 'stranded'] },
]

const smallWorld = { events: ['a1', 'a2'], faultsMax: 1 }
const forks = ['once', 'chain', 'prefix', 'remade', 'answers', 'stranded'] as const

describe('without a rule', () => {
  for (const { rule, breaks, without = [], ...bounds } of dropped) {
    it(`${breaks.length === 0 ? 'nothing breaks' : `breaks ${breaks.join(', ')}`}: ${rules[rule]}`, () => {
      assertBreaks({ ...smallWorld, ...bounds, without: [rule, ...without] }, breaks)
      const row = `| \`${rule}\`: ${rules[rule]} | ${breaks.map(name => `\`${name}\``).join(', ') || 'nothing'} |`
      assert.ok(page.includes(row), `the page has ${row}`)
    })
  }

  // That sealing is a function of intake makes a step that is sent twice the same one; without that, the ledger forks.
  for (const rule of ['readsBeforeFencing', 'idPerProcess', 'unknownIsNotWritten'] as const) {
    it(`forks where the time is stamped at sealing, besides: ${rules[rule]}`, () => {
      const others = rule === 'idPerProcess' ? (['standsAnywhere'] as const) : []
      assertBreaks({ ...smallWorld, without: [rule, 'stampsAtSealing', ...others] }, forks)
    })
  }
  it('forks where a topic was cut off, the heads are not looked at, and intake is gone or makes another entry', () => {
    const world = { faultsMax: 2, loses: true }
    assertBreaks({ ...world, events: ['a1'], without: ['headsUnchecked', 'stampsAtSealing'] }, forks)
    assertBreaks({ ...world, events: ['a1', 'a2'], without: ['headsUnchecked', 'skipsLostIntake'] }, forks)
  })

  it('every rule is tried', () => {
    assert.deepEqual(
      dropped.map(({ rule }) => rule),
      Object.keys(rules),
    )
  })
  it('every claim is broken by one of them, so that each can fail', () => {
    const broken = new Set(dropped.flatMap(({ breaks }) => breaks))
    assert.deepEqual(
      [...claimNames, 'stranded', 'loop'].filter(name => !broken.has(name as Breakage)),
      [],
    )
  })
  it('the shortest ways on the page are those that are found', () => {
    const listed = [...page.matchAll(/```text\n([^`]+)\n```/g)].map(([, text]) => text?.split('\n'))
    const lossy = { events: ['a1'], faultsMax: 2, loses: true }
    const found = [
      assertBreaks({ ...lossy, without: ['waitsForLostIntake'] }, ['stranded']).get('stranded'),
      assertBreaks({ ...smallWorld, without: ['headFromMemory'] }, forks).get('once'),
      assertBreaks({ ...lossy, without: ['marksStandAlone'] }, ['answers']).get('answers'),
      assertBreaks({ ...smallWorld, without: ['neverLooks'] }, ['stranded']).get('stranded'),
    ]
    assert.deepEqual(
      listed,
      found.map(trouble => trouble?.trace),
    )
  })
})
