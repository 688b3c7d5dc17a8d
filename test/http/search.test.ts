import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf } from '../../src/ledger/entry.ts'
import type { SearchHit } from '../../src/query/port.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld()
  const events = Array.from({ length: 10 }, (_, n) => anEvent({ id: `e${n}`, time: `2026-01-01T00:00:0${n % 5}Z` }))
  await ask(world.app, { method: 'POST', url: eventsUrl, body: events })
})
after(() => world.close())
beforeEach(() => {
  world.search.asked.length = 0
  world.search.behind = 0
  world.search.down = false
  world.search.lie = hit => hit
})

/** A hit whose entry is another one, with the leaf hash of that. */
const otherwise = (hit: SearchHit, change: (entry: string) => string): SearchHit => {
  const entry = change(hit.entry)
  return { ...hit, entry, leafHash: leafHashOf(nodeSuite, utf8(entry)) }
}

const search = (query: string) => ask(world.app, { url: `${eventsUrl}?${query}` })

describe('a search', () => {
  it('passes every parameter on, each value of a repeated one', async () => {
    const { status } = await search(
      'since=2026-01-01T00:00:00Z&until=1767225600001&type=aep.decision&type=aep.result&principal=p&run=r&session=s' +
        '&server=v&tool=t&tool=u&decision=deny&deny_reason=consent&side_effect=unknown&lease=l&policy=o&q=no+Way&limit=7',
    )
    assert.equal(status, 200)
    assert.deepEqual(world.search.asked, [
      {
        filter: {
          ...{ sinceMs: 1_767_225_600_000, untilMs: 1_767_225_600_001, types: ['aep.decision', 'aep.result'] },
          ...{ principals: ['p'], runs: ['r'], sessions: ['s'], servers: ['v'], tools: ['t', 'u'] },
          ...{
            decisions: ['deny'],
            denyReasons: ['consent'],
            sideEffects: ['unknown'],
            leases: ['l'],
            policies: ['o'],
          },
          words: ['no', 'Way'],
        },
        limit: 7,
        after: undefined,
      },
    ])
  })

  it('asks for fifty and filters nothing where nothing is said', async () => {
    await ask(world.app, { url: eventsUrl })
    assert.deepEqual(world.search.asked, [{ filter: {}, limit: 50, after: undefined }])
  })

  it('turns its pages by their cursors, and each hit stands on one of them', async () => {
    const seqs: number[] = []
    let url = `${eventsUrl}?type=aep.decision&limit=3`
    for (let page = 0; page < 4; page++) {
      const { json, headers } = await ask(world.app, { url })
      seqs.push(...json.items.map(({ seq }: { seq: number }) => seq))
      url = /<(.+)>; rel="next"/.exec(String(headers['link']))?.[1] ?? ''
      assert.equal(json.next === null, page === 3)
      if (page < 3) assert.match(url, new RegExp(`cursor=${json.next}$`))
    }
    assert.deepEqual(seqs, [10, 5, 9, 4, 8, 3, 7, 2, 6, 1])
  })

  it('refuses a cursor that was changed, or belongs to another question', async () => {
    const { json } = await search('type=aep.decision&limit=3')
    const cursor = String(json.next)
    const turned = cursor.startsWith('B') ? `C${cursor.slice(1)}` : `B${cursor.slice(1)}`
    for (const query of [
      `type=aep.decision&cursor=${turned}`,
      `type=aep.decision&cursor=${cursor.slice(0, -1)}`,
      `type=aep.result&cursor=${cursor}`,
      `cursor=${cursor}`,
      'cursor=',
    ]) {
      const told = await search(query)
      assert.deepEqual(
        told.json.errors.map((error: never) => error['pointer']),
        ['cursor'],
        query,
      )
    }
    assert.equal((await search(`type=aep.decision&limit=5&cursor=${cursor}`)).status, 200)
  })

  it('says how far it knows, and whether that is all there was', async () => {
    const whole = await search('limit=1')
    assert.deepEqual([whole.json.as_of, whole.json.complete], [10, true])
    world.search.behind = 3
    const part = await search('limit=1')
    assert.deepEqual([part.json.as_of, part.json.complete], [7, false])
  })

  it('waits for the rows, and no longer than it has to', async () => {
    world.search.behind = 1
    setTimeout(() => {
      world.search.behind = 0
    }, 5)
    assert.equal((await search('limit=1')).json.complete, true)
  })

  it('answers 503 with the advice to come again while ClickHouse is down', async () => {
    world.search.down = true
    const { json, headers } = await search('limit=1')
    assert.equal(json.code, 'query-unavailable')
    assert.ok(Number(headers['retry-after']) > 0)
  })

  it('does not pass on a row that is not its entry', async () => {
    const lies: (typeof world.search.lie)[] = [
      hit => ({ ...hit, entry: hit.entry.replace('allow', 'deny_') }),
      hit => ({ ...hit, seq: hit.seq + 1 }),
      hit => ({ ...hit, leafHash: '0'.repeat(64) }),
      hit => ({ ...hit, entry: 'not json' }),
      hit => ({ ...hit, entry: `${hit.entry}},{"seq":1` }),
      hit => ({ ...hit, entry: 'null' }),
      hit => ({ ...hit, signature: 'A'.repeat(86) }),
      // Whole, and of this ledger, but not what the log holds: of another history, or invented.
      hit => otherwise(hit, entry => entry.replace('allow', 'deny')),
      hit => ({ ...otherwise(hit, entry => entry.replace(/"seq":\d+/, '"seq":99')), seq: 99 }),
    ]
    for (const lie of lies) {
      world.search.lie = lie
      const { json } = await search('type=aep.decision&limit=1')
      assert.equal(json.code, 'row-damaged')
    }
  })

  it('refuses what it does not know, and names what was meant', async () => {
    for (const [query, pointer, detail] of [
      ['tpye=aep.decision', 'tpye', /Did you mean type/],
      ['denyreason=x', 'denyreason', /Did you mean deny_reason/],
      ['type=aep.decison', 'type', /aep\.decision/],
      ['since=yesterday', 'since', /RFC 3339/],
      ['until=2026-02-30', 'until', /RFC 3339/],
      ['limit=1001', 'limit', /1000/],
      ['run=', 'run', /1/],
      ['q=%ff', 'q', /UTF-8/],
      ['limit=1&limit=2', 'limit', /more than once/],
    ] as const) {
      const { json } = await search(query)
      assert.equal(json.code, 'invalid-request', query)
      assert.equal(json.errors[0].pointer, pointer)
      assert.match(json.errors[0].detail, detail)
    }
    assert.equal(world.search.asked.length, 0)
  })
})
