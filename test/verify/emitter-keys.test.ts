import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import { emitterSigningInput } from '../../src/aep/event/signature.ts'
import type { Json } from '../../src/aep/json.ts'
import { base64 } from '../../src/base/bytes.ts'
import type { Intake } from '../../src/ledger/entry.ts'
import { emitterRegistered, emitterRevoked, ownIntake } from '../../src/ledger/own-events.ts'
import { created, type Draft, decision, sealed, sourceOf, suite, type TestKey, testKey, verified } from './support.ts'

const [one, two, stranger] = [testKey(5), testKey(6), testKey(9)]
const said = { origin: 'test.example/acme/prod', at: '2026-01-01T00:00:00.000Z' }
type Told = Intake['emitter_sig']

/** What happens in a ledger after its creation, in order; the emitter `gw` may change its key. */
type Step =
  | { readonly registers: TestKey; readonly sources?: string[] }
  | 'revokes'
  | { readonly signs: TestKey; readonly told: Told }

function draftOf(step: Step, n: number): Draft {
  if (step === 'revokes') {
    return { event: { ...emitterRevoked({ ...said, keyId: 'gw' }), id: `own-${n}` }, intake: ownIntake }
  }
  if ('registers' in step) {
    const { registers, sources = [] } = step
    const key = { keyId: 'gw', publicHex: registers.publicHex }
    return { event: { ...emitterRegistered({ ...said, key, sources }), id: `own-${n}` }, intake: ownIntake }
  }
  const bare = { ...(decision(n).event as Record<string, Json>), emitterkeyid: 'gw' }
  const emittersig = base64(suite.sign(step.signs.seed, emitterSigningInput(bare as unknown as AepEvent)))
  return { event: { ...bare, emittersig }, intake: { emitter_sig: step.told } }
}

/** Places of a ledger whose verdict of intake is found wrong. Nothing else may be found. */
async function wrong(...steps: readonly Step[]): Promise<(number | undefined)[]> {
  const entries = sealed([created(), ...steps.map((step, n) => draftOf(step, n + 1))])
  const { findings } = await verified(sourceOf(entries))
  for (const { code } of findings) assert.equal(code, 'intake-inconsistent')
  return findings.map(({ seq }) => seq)
}

const [byOne, byTwo, byStranger] = [one, two, stranger].map(
  signs =>
    (told: Told): Step => ({ signs, told }),
) as [(told: Told) => Step, (told: Told) => Step, (told: Told) => Step]
const first: Step = { registers: one }
const again: Step = { registers: two }

describe('an honest ledger', () => {
  it('is sound where an emitter changes its key, before and after', async () => {
    const steps = [
      byOne('key_unknown'),
      first,
      byOne('valid'),
      byTwo('invalid'),
      again,
      byTwo('valid'),
      byOne('invalid'),
    ]
    assert.deepEqual(await wrong(...steps), [])
  })

  it('is sound where an emitter is revoked and comes again', async () => {
    const steps: Step[] = [
      first,
      byOne('valid'),
      'revokes',
      byOne('key_unknown'),
      again,
      byTwo('valid'),
      byOne('invalid'),
    ]
    assert.deepEqual(await wrong(...steps), [])
  })

  it('is sound where the change comes between the door’s verdict and the event’s place', async () => {
    assert.deepEqual(await wrong(first, byOne('key_unknown')), [])
    assert.deepEqual(await wrong(first, again, byTwo('invalid'), byOne('valid')), [])
    assert.deepEqual(await wrong(first, 'revokes', byOne('valid'), byTwo('invalid')), [])
  })

  it('is sound where an emitter is registered for other sources', async () => {
    const elsewhere: Step = { registers: one, sources: ['urn:elsewhere:'] }
    assert.deepEqual(await wrong(first, byOne('valid'), elsewhere, byOne('key_unknown')), [])
  })
})

describe('a wrong verdict on an emitter’s signature', () => {
  it('is found where no key of that id was ever another', async () => {
    assert.deepEqual(await wrong(first, byOne('invalid'), byTwo('valid'), byOne('absent')), [2, 3, 4])
  })

  it('is found where only a later key would explain it', async () => {
    assert.deepEqual(
      await wrong(byOne('valid'), byOne('invalid'), first, byTwo('valid'), byOne('invalid'), again),
      [1, 2, 4, 5],
    )
  })

  it('is found where neither the earlier key nor the later one explains it', async () => {
    assert.deepEqual(await wrong(first, again, byStranger('valid'), byOne('absent')), [3, 4])
  })

  it('is found where the emitter was revoked, and never had another key', async () => {
    assert.deepEqual(await wrong(first, 'revokes', byOne('invalid'), byTwo('valid')), [3, 4])
  })

  it('is found where the emitter was never registered for this source', async () => {
    const elsewhere: Step = { registers: one, sources: ['urn:elsewhere:'] }
    assert.deepEqual(await wrong(elsewhere, byOne('valid'), byOne('invalid')), [2, 3])
  })
})
