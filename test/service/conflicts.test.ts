import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeSuite } from '../../src/crypto/node.ts'
import type { Seq } from '../../src/ledger/entry.ts'
import type { Placement, TakenEvent } from '../../src/log/intake.ts'
import { recordConflicts } from '../../src/service/conflicts.ts'

/** Conflicts as a sequencer is given them; `answer` says what becomes of the next. */
function rig() {
  const written: { id: string; suppressed: number }[] = []
  const made = {
    nowMs: Date.parse('2026-11-01T00:00:00Z'),
    answer: async (): Promise<Placement['status']> => 'created',
    written,
    /** The same identity again, with this content. */
    async see(content: string): Promise<void> {
      const intake = { by: 'test', emitter_sig: 'absent', record_sig: 'not_a_record' } as const
      const event: TakenEvent = { source: 'urn:t', id: 'a', canonical: content, intake, takenAt: '' }
      record('default', event, 1 as Seq)
      await new Promise(setImmediate)
    },
  }
  const record = recordConflicts({
    placing: {
      submitOwn: async (_, [event]) => {
        const status = await made.answer()
        const { data } = JSON.parse(event?.canonical ?? '') as { data: { suppressed?: number } }
        if (status === 'created') written.push({ id: event?.id ?? '', suppressed: data.suppressed ?? 0 })
        return [{ status, seq: 9 as Seq, leafHash: '' } as Placement]
      },
    },
    origin: 'ledger.example',
    suite: nodeSuite,
    clock: () => new Date(made.nowMs),
    logger: { warn: () => {} },
  })
  return made
}

describe('the conflicts of a ledger', () => {
  it('are written ten a minute, and the next says how many it stands for', async () => {
    const made = rig()
    for (let n = 0; n < 14; n++) await made.see(`content ${n}`)
    assert.equal(made.written.length, 10)
    made.nowMs += 60_000
    await made.see('content 20')
    assert.equal(made.written.at(-1)?.suppressed, 4)
    await made.see('content 21')
    assert.equal(made.written.at(-1)?.suppressed, 0)
  })

  it('are not used up by one that comes again and again', async () => {
    const made = rig()
    for (let n = 0; n < 50; n++) await made.see('the same')
    for (let n = 0; n < 3; n++) await made.see(`content ${n}`)
    assert.deepEqual(
      made.written.map(({ suppressed }) => suppressed),
      [0, 0, 0, 0],
    )
  })

  it('stay counted until an entry that says so is there', async () => {
    const made = rig()
    for (let n = 0; n < 13; n++) await made.see(`content ${n}`)
    made.nowMs += 60_000
    made.answer = () => Promise.reject(new Error('full'))
    await made.see('content 20')
    made.answer = async () => 'conflict'
    await made.see('content 21')
    made.answer = async () => 'created'
    await made.see('content 20')
    assert.equal(made.written.at(-1)?.suppressed, 4)
  })
})
