import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { axes } from '../../src/verify/findings.ts'
import { created, decision, key, pinOf, sealed, sourceOf, testKey, trust, unnumbered, verified } from './support.ts'

const plain = sealed([created(), ...Array.from({ length: 9 }, (_, n) => decision(n + 1))])

describe('a sound ledger', () => {
  it('is verified under its pinned key, with every signature checked', async () => {
    const { report, findings } = await verified(sourceOf(plain))
    assert.deepEqual(findings, [])
    assert.equal(report.verdict, 'verified')
    assert.equal(report.entries, 10)
    assert.equal(report.signaturesChecked, 10)
    assert.deepEqual(report.head, { ...pinOf(plain[9]), recordedAt: '2026-01-01T00:00:00.009Z' })
    assert.equal(report.firstBadSeq, undefined)
  })

  it('passes on every axis but completeness, which nobody asked about', async () => {
    const { report } = await verified(sourceOf(plain))
    const status = Object.fromEntries(axes.map(axis => [axis, report.axes[axis].status]))
    assert.deepEqual(status, {
      structure: 'PASS',
      signature: 'PASS',
      chain: 'PASS',
      completeness: 'INCOMPLETE',
      semantics: 'PASS',
      time: 'PASS',
    })
  })

  it('passes on completeness once a head is pinned and there', async () => {
    const { report } = await verified(sourceOf(plain), { ...trust, head: pinOf(plain[7]) })
    assert.equal(report.axes.completeness.status, 'PASS')
    assert.equal(report.verdict, 'verified')
  })

  it('is told the same in batches of any size, numbered by its source or not', async () => {
    for (const size of [1, 3, 10, 64]) {
      for (const entries of [plain, unnumbered(plain)]) {
        const { report } = await verified(sourceOf(entries, {}, size))
        assert.equal(report.verdict, 'verified')
      }
    }
  })
})

describe('what was not checked', () => {
  it('is never a pass: without keys the verdict is incomplete, and signatures are held to the key the ledger names', async () => {
    const { report, findings } = await verified(sourceOf(plain), { keys: [] })
    assert.equal(report.verdict, 'incomplete')
    assert.equal(report.axes.signature.status, 'INCOMPLETE')
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['keys-missing'],
    )
    assert.equal(report.signaturesChecked, 10)
  })

  it('shows tampering even without keys', async () => {
    const changed = plain.map((entry, n) => (n === 4 ? { ...entry, signature: new Uint8Array(64) } : entry))
    const { report } = await verified(sourceOf(changed), { keys: [] })
    assert.equal(report.verdict, 'tampered')
    assert.equal(report.firstBadSeq, 4)
  })

  it('is nothing when there is nothing', async () => {
    assert.equal((await verified(sourceOf([]))).report.verdict, 'nothing')
  })

  it('is a missing head, and no empty ledger, where a head was pinned', async () => {
    const { report, fails } = await verified(sourceOf([]), { ...trust, head: pinOf(plain[3]) })
    assert.equal(report.verdict, 'tampered')
    assert.deepEqual(fails, ['head-missing'])
    assert.equal(report.firstBadSeq, 0)
  })
})

describe('policy', () => {
  it('is unmet without a pinned head where one is required, and met with one', async () => {
    const policy = { requireHead: true }
    const without = await verified(sourceOf(plain), trust, { policy })
    assert.equal(without.report.verdict, 'policy-unmet')
    assert.equal(without.report.unmet.length, 1)
    const pinned = await verified(sourceOf(plain), { ...trust, head: pinOf(plain[9]) }, { policy })
    assert.equal(pinned.report.verdict, 'verified')
  })

  it('counts entries', async () => {
    assert.equal(
      (await verified(sourceOf(plain), trust, { policy: { entriesMin: 11 } })).report.verdict,
      'policy-unmet',
    )
    assert.equal((await verified(sourceOf(plain), trust, { policy: { entriesMin: 10 } })).report.verdict, 'verified')
  })

  it('never outweighs tampering', async () => {
    const { report } = await verified(sourceOf(plain.slice(1)), trust, { policy: { entriesMin: 99 } })
    assert.equal(report.verdict, 'tampered')
  })
})

describe('findings', () => {
  it('come in the order of places, and all of them', async () => {
    const stranger = testKey(9)
    const entries = sealed([created(), decision(1), decision(2), decision(3), decision(4)])
    const changed = entries.map((entry, n) =>
      [1, 3].includes(n) ? { ...entry, signature: new Uint8Array(64) } : entry,
    )
    const { findings } = await verified(sourceOf(changed, {}, 2))
    assert.deepEqual(
      findings.map(({ seq, code }) => `${seq} ${code}`),
      ['1 signature-invalid', '3 signature-invalid'],
    )
    const unknown = await verified(sourceOf(entries), { keys: [stranger] })
    assert.equal(unknown.findings.length, 5)
    assert.equal(unknown.report.firstBadSeq, 0)
  })

  it('are bounded by code, and those beyond the bound are counted', async () => {
    const changed = plain.map(entry => ({ ...entry, signature: new Uint8Array(64) }))
    const { findings, report } = await verified(sourceOf(changed), trust, { findingsMax: 3 })
    assert.equal(findings.length, 3)
    assert.equal(report.withheld, 7)
    assert.equal(report.counts['signature-invalid'], 10)
    assert.equal(report.axes.signature.status, 'FAIL')
  })

  it('say ledger, place, axis, cause, expected and found', async () => {
    const entries = [...plain.slice(0, 4), ...plain.slice(5)]
    const { findings } = await verified(sourceOf(entries))
    assert.deepEqual(findings, [
      {
        code: 'seq-gap',
        axis: 'chain',
        severity: 'fail',
        ledger: 'acme/prod',
        seq: 4,
        expected: 'seq 4',
        found: 'seq 5',
        cause: 'One entry is missing.',
      },
    ])
  })
})

describe('a key', () => {
  it('whose time is over by the pin does not vouch for later entries', async () => {
    const notAfterMs = Date.parse('2026-01-01T00:00:00.004Z')
    const { findings } = await verified(sourceOf(plain), { keys: [{ ...key, notAfterMs }] })
    assert.deepEqual(
      findings.map(({ seq, code }) => `${seq} ${code}`),
      [5, 6, 7, 8, 9].map(seq => `${seq} key-not-valid`),
    )
  })
})
