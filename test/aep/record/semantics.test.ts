import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../../src/aep/json.ts'
import { judgeRecord } from '../../../src/aep/record/judge.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { plainAction, plainRecord, ringOfAlice, signed } from '../../support/aep.ts'

const findings = (changes: JsonObject) => {
  const { verdict, findings } = judgeRecord(JSON.stringify(signed(plainRecord(changes))), ringOfAlice, nodeSuite)
  assert.equal(verdict, 'accept')
  return [...findings]
}
const ofAction = (changes: JsonObject, more: JsonObject = {}) => findings({ actions: [plainAction(changes)], ...more })
const decision = (changes: JsonObject): JsonObject => ({
  capability: 'c',
  subject: 's',
  resource: 'r',
  decision: 'allow',
  approval_mode: 'none',
  ...changes,
})

describe('the greatest side effect of a run', () => {
  const actions = (...classes: string[]) =>
    classes.map((side_effect_class, i) =>
      plainAction({ action_id: `a${i}`, side_effect_class, state_changing: side_effect_class.startsWith('mutate') }),
    )
  const said = (run_side_effect_class_max: string, ...classes: string[]) =>
    findings({ actions: actions(...classes), run_side_effect_class_max })
  it('is that of its actions, unknown being the greatest', () => {
    assert.deepEqual(said('network-egress', 'read', 'network-egress', 'mutate-external'), [])
    assert.deepEqual(said('unknown', 'network-egress', 'unknown'), [])
    assert.deepEqual(said('network-egress', 'network-egress', 'unknown'), ['run-max-mismatch'])
    assert.deepEqual(said('read', 'mutate-local'), ['run-max-mismatch'])
    assert.deepEqual(said('mutate-external', 'mutate-local'), ['run-max-mismatch'])
    assert.deepEqual(said('read'), ['run-max-mismatch'])
  })
  it('is missed where there are actions, since it exists', () => {
    const { run_side_effect_class_max: _, ...record } = plainRecord()
    const judged = (changes: JsonObject) =>
      judgeRecord(JSON.stringify(signed({ ...record, ...changes })), ringOfAlice, nodeSuite).findings
    assert.deepEqual(judged({}), ['run-max-absent'])
    assert.deepEqual(judged({ actions: [] }), [])
    assert.deepEqual(judged({ schema_version: 'aep/v0.2' }), [])
  })
})

describe('an action', () => {
  it('that changes state is no reading, and one that mutates changes state', () => {
    const all = { run_side_effect_class_max: 'read' }
    assert.deepEqual(ofAction({ state_changing: true, side_effect_class: 'read' }, all), ['side-effect-inconsistent'])
    assert.deepEqual(ofAction({ state_changing: false, side_effect_class: 'read' }, all), [])
    assert.deepEqual(ofAction({ state_changing: false }), ['side-effect-inconsistent'])
    const egress = { run_side_effect_class_max: 'network-egress' }
    for (const state_changing of [true, false]) {
      assert.deepEqual(ofAction({ state_changing, side_effect_class: 'network-egress' }, egress), [])
    }
  })
  it('has an id of its own', () =>
    assert.deepEqual(findings({ actions: [plainAction(), plainAction()] }), ['duplicate-action-id']))
  it('under a lease says which', () => {
    const capability_decision = decision({ approval_mode: 'bounded-lease' })
    assert.deepEqual(ofAction({ capability_decision }), ['lease-reference-absent'])
    assert.deepEqual(ofAction({ capability_decision, scope_lease_id: 'l' }), [])
  })
})

describe('a decision', () => {
  it('that denies says for what class of reason, since there are any', () => {
    assert.deepEqual(findings({ capability_decisions: [decision({ decision: 'deny' })] }), ['deny-reason-absent'])
    assert.deepEqual(ofAction({ capability_decision: decision({ decision: 'deny' }) }), ['deny-reason-absent'])
    assert.deepEqual(
      findings({ capability_decisions: [decision({ decision: 'deny', deny_reason_class: 'other' })] }),
      [],
    )
    assert.deepEqual(
      findings({ schema_version: 'aep/v0.2', capability_decisions: [decision({ decision: 'deny' })] }),
      [],
    )
    assert.deepEqual(findings({ capability_decisions: [decision({ decision: 'ask_user' })] }), [])
  })
  it('that allows has no reason to deny', () =>
    assert.deepEqual(findings({ capability_decisions: [decision({ deny_reason_class: 'argument' })] }), [
      'deny-reason-on-allow',
    ]))
})

describe('argument drift', () => {
  const whole = (digit: string) => digit.repeat(64)
  const drift = (detected: boolean, resolution: string, approved: string, observed: string) =>
    ofAction({
      argument_drift: { detected, resolution, approved_args_digest: approved, observed_args_digest: observed },
    })
  it('is what the digests say, and is denied', () => {
    assert.deepEqual(drift(false, 'matched', whole('a'), whole('a')), [])
    assert.deepEqual(drift(true, 'denied', whole('a'), whole('b')), [])
    for (const [detected, resolution, observed] of [
      [true, 'matched', 'b'],
      [false, 'matched', 'b'],
      [false, 'denied', 'b'],
      [true, 'denied', 'a'],
      [true, 'matched', 'a'],
      [false, 'denied', 'a'],
    ] as const) {
      assert.deepEqual(drift(detected, resolution, whole('a'), whole(observed)), ['drift-inconsistent'])
    }
  })
  it('compares a digest of 64 bits with the head of a whole one, and says so', () => {
    const short = 'a'.repeat(16)
    assert.deepEqual(drift(false, 'matched', short, short), ['digest-64-bit'])
    assert.deepEqual(drift(false, 'matched', short, whole('a')), ['digest-64-bit'])
    assert.deepEqual(drift(true, 'denied', whole('b'), short), ['digest-64-bit'])
    assert.deepEqual(drift(false, 'matched', whole('b'), short), ['drift-inconsistent', 'digest-64-bit'])
    assert.deepEqual(drift(true, 'denied', 'x', 'y'), [])
    assert.deepEqual(drift(true, 'denied', `${short}${'b'.repeat(48)}`, whole('a')), [])
  })
})

it('a digest is one by its name, and free content is not looked into', () => {
  const short = '0123456789abcdef'
  assert.deepEqual(ofAction({ arguments_digest: short }), ['digest-64-bit'])
  assert.deepEqual(findings({ input_refs: [{ uri: 'x', digest: short, taint_labels: [] }] }), ['digest-64-bit'])
  assert.deepEqual(ofAction({ scope_lease_id: short, approval_context_hash: `${short}0` }), [])
  assert.deepEqual(ofAction({ state_digest_coverage: { digest: short } }), [])
})

it('nothing is said of the content of a record that is refused', () => {
  const record = {
    ...plainRecord({ actions: [plainAction(), plainAction()], x_note: 1 }),
    run_side_effect_class_max: 'read',
  }
  for (const refused of [record, { ...signed(record), run_id: 'other' }]) {
    assert.deepEqual(judgeRecord(JSON.stringify(refused), ringOfAlice, nodeSuite).findings, [])
  }
  assert.deepEqual(judgeRecord(JSON.stringify(signed(record)), ringOfAlice, nodeSuite).findings, [
    'unknown-field',
    'run-max-mismatch',
    'duplicate-action-id',
  ])
})
