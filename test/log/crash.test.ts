import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Head, StoredEntry } from '../../src/ledger/entry.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { checkPages } from '../../src/log/embedded/pages.ts'
import type { EventIdentity } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'
import { Child, opened } from './processes.ts'

const rounds = Number(process.env['ROUNDS'] ?? 20)

/** What the children write: the same whenever it is made. */
class Expected {
  readonly entries: StoredEntry[] = []
  readonly ids: EventIdentity[] = []
  head: Head | undefined

  upTo(seq: number): this {
    const count = seq + 1 - this.entries.length
    if (count <= 0) return this
    const batch = batchAfter(this.head, { count, size: 900 })
    this.entries.push(...batch.entries)
    this.ids.push(...batch.ids)
    this.head = batch.head
    return this
  }
}

describe('a log whose process is killed', () => {
  it(`has all that it answered for, in order, after each of ${rounds} rounds`, {
    timeout: rounds * 10_000,
  }, async () => {
    const folder = newFolder()
    const expected = new Expected()
    let answered = -1
    let more = 0
    for (let round = 0; round < rounds; round++) {
      const child = new Child(folder, { countMax: 60, size: 900, views: true })
      // Now and then it is killed while it opens.
      if (round % 5 !== 4) await child.hears(opened)
      await sleep(Math.random() * 150)
      await child.kill()
      answered = child.said.findLast(said => 'head' in said)?.head.seq ?? answered
      const last = await checkRound(folder, answered, expected)
      if (last > answered) more += 1
      answered = last
    }
    assert.ok(answered > rounds, `${answered} entries, ${more} times more than answered`)
  })
})

/** Gives the last seq that is there. */
async function checkRound(folder: string, answered: number, expected: Expected): Promise<number> {
  const log = await openEmbedded(folder)
  checkPages(`${folder}/log/data.mdb`, { deep: true })
  const head = await log.head('default')
  const last = head?.seq ?? -1
  assert.ok(last >= answered, `answered up to ${answered}, there up to ${last}`)
  assert.deepEqual(head, expected.upTo(last).head)
  const entries = await log.read('default', 0, last + 10, Number.POSITIVE_INFINITY)
  assert.equal(entries.length, last + 1)
  for (const [n, { seq, bytes, signature }] of entries.entries()) {
    const due = expected.entries[n]
    assert.ok(due?.seq === seq && same(bytes, due.bytes) && same(signature, due.signature), `seq ${n}`)
  }
  assert.deepEqual(await log.find('default', expected.ids), [...entries.keys()])
  const position = log.views.position('seqs', 'default')
  assert.ok(position <= last)
  const rows = new Set([...log.views.range('seqs', 'default', { limit: 1e9 })].map(([key]) => key))
  assert.equal(rows.size, position + 1, 'a view has the rows of its position')
  for (let seq = 0; seq <= position; seq++) assert.ok(rows.has(`seq-${seq}`))
  if (position < last) await log.views.commit('seqs', 'default', last, rowsBetween(position, last))
  await log.close()
  return last
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const rowsBetween = (after: number, last: number): { key: string; value: Uint8Array }[] =>
  Array.from({ length: last - after }, (_, n) => ({ key: `seq-${after + 1 + n}`, value: new Uint8Array(1) }))
