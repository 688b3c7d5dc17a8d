import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { canonicalText } from '../src/aep/canonical.ts'
import { acceptEvent } from '../src/aep/event/accept.ts'
import { eventTypes } from '../src/aep/event/schema.ts'
import { parseJson } from '../src/aep/json.ts'
import { base64, fromBase64, hex, textOf, utf8 } from '../src/base/bytes.ts'
import { nodeSuite } from '../src/crypto/node.ts'
import { decodeEntry } from '../src/ledger/decode.ts'
import { leafHashOf } from '../src/ledger/entry.ts'
import { ledgerCreated, placeOwn } from '../src/ledger/own-events.ts'
import { emptyHead, seal } from '../src/ledger/seal.ts'
import { keyIdOf, signingInput } from '../src/ledger/signature.ts'
import { leaseAt, leaseStatuses } from '../src/projections/leases.ts'
import { leaseViolations } from '../src/projections/violations.ts'
import { decided, familyAfter, granted, minute, minuteMs, used } from './projections/history.ts'
import { smallestDecision } from './vectors/events.ts'

const page = (name: string) => readFileSync(new URL(`../docs/formats/${name}.md`, import.meta.url), 'utf8')
const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(match => match[1] ?? '')

describe('docs/formats/event.md', () => {
  const text = page('event')
  for (const block of blocksOf(text, 'json')) {
    it(`shows an event that is accepted: ${block.match(/"type":"([^"]+)"/)?.[1]}`, () => {
      const parsed = parseJson(block)
      assert.ok(parsed.ok)
      assert.deepEqual(acceptEvent(parsed.value), {
        ok: true,
        event: parsed.value,
        canonical: canonicalText(parsed.value),
      })
    })
  }

  it('begins with the smallest event, and names every type', () => {
    assert.deepEqual(JSON.parse(blocksOf(text, 'json')[0] ?? ''), smallestDecision)
    for (const type of eventTypes) {
      const short = type.replace('aep.ledger', '')
      assert.ok(
        text.includes(type.startsWith('aep.ledger.') ? `\`${short}\`` : type) || text.includes(`\`${type}\``),
        type,
      )
    }
  })
})

describe('docs/formats/entry.md', () => {
  const seed = new Uint8Array(32)
  const publicKey = nodeSuite.publicKey(seed)
  const keyId = keyIdOf(nodeSuite, publicKey)
  const [lines = '', proofs = ''] = blocksOf(page('entry'), '')
  const entries = lines.trimEnd().split('\n').map(utf8)

  it('shows entries that are read, and the leaf hashes and signatures that they have', () => {
    assert.equal(entries.length, 2)
    const lineOf = (bytes: Uint8Array) =>
      `${leafHashOf(nodeSuite, bytes)} ${base64(nodeSuite.sign(seed, signingInput(bytes)))}`
    assert.deepEqual(proofs.trimEnd().split('\n'), entries.map(lineOf))
    for (const bytes of entries) assert.equal(decodeEntry(bytes).ok, true)
    for (const [n, line] of proofs.trimEnd().split('\n').entries()) {
      const signature = fromBase64(line.split(' ')[1] ?? '') ?? new Uint8Array()
      assert.ok(nodeSuite.verify(publicKey, signingInput(entries[n] ?? new Uint8Array()), signature))
    }
  })

  it('shows what sealing makes of the same events', () => {
    const spoken = { origin: 'example.org/acme/prod', at: '2026-01-01T00:00:00.000Z', ledger: 'acme/prod' }
    const created = placeOwn(ledgerCreated({ ...spoken, key: { keyId, publicHex: hex(publicKey) } }))
    const intake = { by: 'gateway-1', emitter_sig: 'absent', record_sig: 'not_a_record' } as const
    const decision = { canonical: canonicalText(smallestDecision), intake, takenAt: '2026-01-01T00:00:00.250Z' }
    const sealed = seal(nodeSuite, emptyHead, { ledger: 'acme/prod', keyId }, [created, decision])
    assert.deepEqual(
      sealed.entries.map(({ bytes }) => textOf(bytes)),
      entries.map(textOf),
    )
  })
})

describe('docs/formats/lease.md', () => {
  const text = page('lease')
  const events = [
    granted(0, { max_invocations: 2, expires_at: minute(60) }),
    used(1, 'd-1'),
    used(1, 'd-1'),
    decided(2, 'd-2'),
    used(3, 'd-3'),
    used(4, 'd-4'),
    granted(5, { lease_id: 'l-2', supersedes: 'l-1' }),
  ]
  const standing = (after: number, at: number) => {
    const [lease] = familyAfter(events.slice(0, after)).leases
    const found = lease && leaseAt(lease, minuteMs(at))
    const { code, seq } = found?.lease.violations.at(-1) ?? {}
    return [found?.status, found?.invocationCount, ...(code === undefined ? [] : [`${code} ${seq}`])]
  }

  it('tells what the fold makes of its example', () => {
    const rows = [...text.matchAll(/^\| (\d) \| 09:(\d\d) \| .* \| (\w+)(?:, (\d) uses?)?.* \|$/gm)]
    assert.equal(rows.length, events.length)
    for (const [row, seq, at, status, uses] of rows) {
      const [found, count, violation] = standing(Number(seq), Number(at))
      assert.deepEqual([found, uses === undefined ? undefined : count], [status, uses && Number(uses)], row)
      assert.equal(row.includes('`over-use` at seq 6'), violation === 'over-use 6' && seq === '6', row)
    }
    assert.deepEqual(standing(7, 2), ['active', 1])
    assert.deepEqual(standing(7, 60).slice(0, 1), ['superseded'])
    assert.deepEqual(standing(6, 60).slice(0, 1), ['expired'])
  })

  it('names every status, in order, and every violation', () => {
    assert.ok(text.includes(`status     = ${leaseStatuses.join(' | ')}`))
    for (const code of Object.keys(leaseViolations)) assert.ok(text.includes(`\`${code}\``), code)
  })
})
