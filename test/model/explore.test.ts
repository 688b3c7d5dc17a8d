import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explore, findLoop, findStranded, findTrouble, type Model } from './explore.ts'

/** A jug of three litres and one of five, that can be filled, emptied, and poured into each other. */
const jugs: Model<readonly [three: number, five: number]> = {
  start: [0, 0],
  key: String,
  *steps([three, five]) {
    yield ['fill 3', [3, five]]
    yield ['fill 5', [three, 5]]
    yield ['empty 3', [0, five]]
    yield ['empty 5', [three, 0]]
    const over = Math.min(three, 5 - five)
    yield ['pour 3 into 5', [three - over, five + over]]
    const back = Math.min(five, 3 - three)
    yield ['pour 5 into 3', [three + back, five - back]]
  },
}

/** Numbers that only grow, by one or by two, and end at 10; 7 is a trap. */
const ladder: Model<number> = {
  start: 0,
  key: String,
  *steps(at) {
    if (at === 7) return
    if (at + 1 <= 10) yield ['one', at + 1]
    if (at + 2 <= 10) yield ['two', at + 2]
  },
}

describe('the explorer', () => {
  it('visits all there is, once', () => {
    const { states, edges } = explore(jugs, 100)
    assert.equal(states.length, 16)
    assert.equal(new Set(states.map(String)).size, 16)
    assert.equal(edges.length, 16)
  })
  it('finds what was planted, by the shortest way', () => {
    const graph = explore(jugs, 100)
    const trouble = findTrouble(graph, ([, five]) => (five === 4 ? 'four litres' : undefined))
    const shortest = ['fill 5', 'pour 5 into 3', 'empty 3', 'pour 5 into 3', 'fill 5', 'pour 5 into 3']
    assert.deepEqual(trouble, { complaint: 'four litres', trace: shortest })
    assert.equal(
      findTrouble(graph, ([three]) => (three === 4 ? 'four litres' : undefined)),
      undefined,
    )
  })
  it('throws where there is more than it was allowed, and never leaves anything out', () => {
    assert.throws(() => explore(jugs, 15), /more than 15 states/)
    assert.equal(explore(jugs, 16).states.length, 16)
  })
  it('finds the nearest state from which nothing good can be reached', () => {
    const graph = explore(ladder, 100)
    assert.equal(findStranded(graph, at => at === 10)?.trace.length, 4)
    assert.equal(
      findStranded(graph, at => at === 10 || at === 7),
      undefined,
    )
  })
  it('finds a run that never ends, and none where there is none', () => {
    assert.match(findLoop(explore(jugs, 100))?.complaint ?? '', /these go round: /)
    assert.equal(findLoop(explore(ladder, 100)), undefined)
  })
})
