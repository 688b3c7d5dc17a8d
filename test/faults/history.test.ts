import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { Answers, Chains, emitterPrefix, leafHashOf } from './history.ts'
import type { TopicRecord } from './topic.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const publicHex = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
const payloadType = 'application/vnd.aep-ledger.entry+json'

/** Records of one ledger, each of the event of that number, as they should be. */
function recordsOf(ids: readonly number[]): TopicRecord[] {
  let prev = '0'.repeat(64)
  return ids.map((id, seq) => {
    const event = { source: `${emitterPrefix}1`, id: String(id) }
    const value = Buffer.from(JSON.stringify({ event, ledger: 'l', prev, recorded_at: `2026-01-0${seq + 1}`, seq }))
    const signature = sign(
      null,
      Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${value.length} ${value}`),
      privateKey,
    )
    prev = leafHashOf(value)
    return { partition: 0, offset: seq, key: 'l', value, signature }
  })
}

const found = (records: readonly (TopicRecord | undefined)[]): string[] => {
  const findings: string[] = []
  const chains = new Chains(publicHex, finding => findings.push(finding))
  for (const record of records) if (record !== undefined) chains.take(record)
  return findings
}

const whole = recordsOf([0, 1, 2])
const [first, second, third] = whole

describe('the checker of what the topic holds', () => {
  it('finds nothing in a whole chain, and knows its head', () => {
    assert.deepEqual(found(whole), [])
    const chains = new Chains(publicHex, assert.fail)
    for (const record of whole) chains.take(record)
    assert.deepEqual([...chains.heads], [['l', `2:${leafHashOf(third?.value ?? Buffer.alloc(0))}`]])
  })

  it('finds a gap, a batch that stands there twice, and another order', () => {
    assert.match(found([first, third]).join(), /seq 2 .* where seq 1 is due.*does not follow/)
    assert.match(found([first, second, second, third]).join(), /stands at seq 1 and at seq 1/)
    assert.match(found(recordsOf([0, 2, 1])).join(), /out of its emitter's order/)
  })

  it('finds a fork, an event with two places, and an entry that nobody signed', () => {
    assert.match(found([first, second, recordsOf([0, 7, 8])[2]]).join(), /does not follow the entry before/)
    assert.match(found(recordsOf([0, 1, 1])).join(), /stands at seq 1 and at seq 2/)
    assert.match(found([first && { ...first, signature: Buffer.alloc(64) }]).join(), /is not signed/)
  })

  it('finds an answer that is lost, or says another place', () => {
    const findings: string[] = []
    const chains = new Chains(publicHex, finding => findings.push(finding))
    for (const record of whole) chains.take(record)
    const answer = {
      ledger: 'l',
      source: `${emitterPrefix}1`,
      status: 'created',
      leafHash: leafHashOf(second?.value ?? Buffer.alloc(0)),
    }
    assert.equal(chains.has({ ...answer, id: '1', seq: 1 }), true)
    assert.equal(chains.has({ ...answer, id: '9', seq: 1 }), false)
    assert.deepEqual(findings, [])
    chains.has({ ...answer, id: '1', seq: 2 })
    assert.match(findings.join(), /stands at seq 1, and its receipt says seq 2/)
  })
})

describe('the checker of answers', () => {
  const answer = { ledger: 'l', source: 's', id: '1', status: 'created', seq: 4, leafHash: 'a' }
  const foundIn = (answers: readonly (typeof answer)[]): string[] => {
    const findings: string[] = []
    const all = new Answers(finding => findings.push(finding))
    for (const one of answers) all.add(one)
    return findings
  }

  it('takes a receipt, and the same again as a duplicate', () => {
    assert.deepEqual(foundIn([answer, { ...answer, status: 'duplicate' }]), [])
  })

  it('finds what was created twice, what moved, and what is neither', () => {
    assert.match(foundIn([answer, answer]).join(), /created twice/)
    assert.match(foundIn([answer, { ...answer, status: 'duplicate', seq: 5 }]).join(), /seq 4 first and seq 5 later/)
    assert.match(foundIn([{ ...answer, status: 'conflict' }]).join(), /answered conflict/)
  })
})
