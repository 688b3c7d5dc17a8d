import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { judgeOnAllCores } from '../../src/cli/verify-pool.ts'
import { judgeHere } from '../../src/verify/judge.ts'
import { created, decision, sealed, sourceOf, suite, trust, verified } from '../verify/support.ts'

const entries = sealed([created(), ...Array.from({ length: 1500 }, (_, n) => decision(n + 1))])
const changed = entries.map((entry, n) => (n % 100 === 7 ? { ...entry, signature: new Uint8Array(64) } : entry))

describe('the judge on all cores', () => {
  const pool = judgeOnAllCores(3)
  after(() => pool.close())

  it('tells the same as the judge on this thread, in the same order', async () => {
    for (const these of [entries, changed]) {
      const here = await verified(sourceOf(these), trust, { judge: judgeHere(suite) })
      const there = await verified(sourceOf(these), trust, { judge: pool })
      assert.deepEqual(there.findings, here.findings)
      assert.deepEqual(there.report, here.report)
    }
    assert.equal((await verified(sourceOf(changed), trust, { judge: pool })).findings.length, 15)
  })

  it('makes no verdict of what a thread could not judge', async () => {
    const broken = judgeOnAllCores(1)
    const batch = () => ({
      inputs: new Uint8Array(0),
      starts: new Uint32Array(600),
      ends: new Uint32Array(600),
      signatures: new Uint8Array(0),
      keys: [],
      keyOf: new Uint8Array(0),
      emitters: [],
    })
    try {
      // No list of emitters: the thread fails on it, and must say so.
      await assert.rejects(broken.judge({ ...batch(), emitters: null as never }), /A verifier thread failed/)
      const unanswered = assert.rejects(broken.judge(batch()), /A verifier thread ended/)
      await broken.close()
      await unanswered
    } finally {
      await broken.close()
    }
  })
})
