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
    world: { events: ['a1', 'a2', 'a1'], faultsMax: 3, without: [] },
    says: 'two events of an emitter, one of them sent again; three faults',
    states: 180_480,
  },
  {
    world: { events: ['a1', "a1'", '!x', 'a2'], faultsMax: 2, without: [] },
    says: 'an identity that comes with other content, a record that nobody may place; two faults',
    states: 79_442,
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
        'is assigned',
        'stops',
        'finds itself fenced',
        'hears nothing of its commit',
        'the transaction times out',
        'sends up to offset 2',
      ]) {
        assert.ok(happened.has(event), event)
      }
      const answers = graph.states.flatMap(({ intake }) => intake.map(({ answer }) => answer))
      const said = new Set(answers.map(answer => (typeof answer === 'string' ? answer : answer.says)))
      for (const kind of ['created', 'duplicate', ...(world.events.includes('!x') ? ['conflict', 'refused'] : [])]) {
        assert.ok(said.has(kind as 'created'), kind)
      }
    })
  }
})

/** Small worlds in which a rule is missed; `breaks` is all that goes wrong there, in the order of the claims. */
const dropped: readonly (Partial<World> & { readonly rule: Rule; readonly breaks: readonly Breakage[] })[] = [
  { rule: 'readsBeforeFencing', breaks: ['once', 'stranded'] },
  { rule: 'idPerProcess', events: ['a1', 'a2'], faultsMax: 1, breaks: ['once'] },
  { rule: 'forgetsIdentities', events: ['a1', 'a2', 'a1'], faultsMax: 1, breaks: ['identity', 'order'] },
  { rule: 'offsetsOnRead', breaks: ['position', 'remade', 'answers', 'stranded'] },
  { rule: 'offsetsAfterCommit', breaks: ['stranded'] },
  { rule: 'headsBesideTransaction', breaks: ['position', 'stranded'] },
  { rule: 'unknownIsNotWritten', breaks: ['once', 'stranded'] },
  { rule: 'unknownIsWritten', breaks: ['once', 'chain', 'prefix', 'position', 'answers', 'stranded'] },
  { rule: 'readsUncommitted', breaks: ['prefix', 'answers', 'stranded'] },
  { rule: 'takesBack', breaks: ['loop'] },
  { rule: 'answersBeforeCommit', breaks: ['answers'] },
  { rule: 'stampsAtSealing', faultsMax: 1, breaks: ['remade'] },
  { rule: 'headsBelievedAlone', breaks: ['answers'] },
  { rule: 'fencedAnswers', breaks: [] },
]

const smallWorld = { events: ['a1', 'a2'], faultsMax: 2 }

describe('without a rule', () => {
  for (const { rule, breaks, ...bounds } of dropped) {
    it(`${breaks.length === 0 ? 'nothing breaks' : `breaks ${breaks.join(', ')}`}: ${rules[rule]}`, () => {
      assertBreaks({ ...smallWorld, ...bounds, without: [rule] }, breaks)
      const row = `| \`${rule}\`: ${rules[rule]} | ${breaks.map(name => `\`${name}\``).join(', ') || 'nothing'} |`
      assert.ok(page.includes(row), `the page has ${row}`)
    })
  }

  // That sealing is a function of intake makes a batch that is sent twice the same one; without that, the ledger forks.
  for (const rule of ['readsBeforeFencing', 'idPerProcess', 'unknownIsNotWritten'] as const) {
    it(`forks where the time is stamped at sealing, besides: ${rules[rule]}`, () => {
      const without = [rule, 'stampsAtSealing'] as const
      assertBreaks({ events: ['a1', 'a2'], faultsMax: 1, without }, [
        ...(['once', 'chain', 'prefix', 'position', 'remade', 'answers', 'stranded'] as const),
      ])
    })
  }

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
  it('the shortest way to a batch that is sent twice is the one on the page', () => {
    const found = assertBreaks({ events: ['a1'], faultsMax: 1, without: ['unknownIsNotWritten'] }, ['once'])
    const listed = page.match(/```text\n([^`]+)\n```/)?.[1]?.split('\n')
    assert.deepEqual(listed, found.get('once')?.trace)
  })
})
