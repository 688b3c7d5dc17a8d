import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acceptEvent } from '../../src/aep/event/accept.ts'
import type { Json } from '../../src/aep/json.ts'
import { wasmagentEvent, wasmagentSource } from '../../src/aep/wasmagent.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { LeaseBook, leaseAt, leaseFacts, leaseFactsIn, leaseNow } from '../../src/projections/leases.ts'
import { conformanceSkip, conformanceText } from '../support/conformance.ts'
import { bytesOf } from './history.ts'

interface Expected {
  readonly leaseId: string
  readonly principalHash: string
  readonly serverId: string
  readonly invocationCount: number
  readonly maxInvocations?: number
  readonly expiresAt: string
  readonly status_at_end: string
}
interface Summary {
  readonly end_ms: number
  readonly leases: readonly Expected[]
}

const summaries = (): [string, Summary][] =>
  Object.entries(JSON.parse(conformanceText('gateway/summary.json')) as object)

function entriesOf(file: string): Uint8Array[] {
  const lines = conformanceText(file).trimEnd().split('\n')
  const source = wasmagentSource(lines[0] ?? '', nodeSuite)
  return lines.map((line, n) => {
    const accepted = acceptEvent(wasmagentEvent(line, { source }, nodeSuite) as Json)
    assert.ok(accepted.ok)
    return bytesOf(accepted.event, n + 1)
  })
}

describe('the leases of the conformance streams', { skip: conformanceSkip }, () => {
  for (const [file, { end_ms, leases }] of conformanceSkip ? [] : summaries()) {
    const book = new LeaseBook()

    it(`${file}: bytes of entries say what the entries say`, () => {
      for (const bytes of entriesOf(file)) {
        const facts = leaseFactsIn(bytes)
        assert.deepEqual(facts, leaseFacts(readEntry(bytes)))
        for (const fact of facts) book.take(fact)
      }
    })

    it(`${file}: ${leases.length} leases stand at its end as its summary says`, () => {
      const found = [...book.leases.values()].map(lease => {
        const standing = leaseAt(lease, end_ms)
        assert.ok(standing)
        assert.deepEqual(leaseNow(lease, end_ms), standing, 'nothing is dated later than the end')
        const { leaseId, principal, server, maxInvocations, expiresAt } = standing.lease
        const limit = maxInvocations === undefined ? {} : { maxInvocations }
        const { invocationCount, status } = standing
        return {
          leaseId,
          principalHash: principal,
          serverId: server,
          invocationCount,
          ...limit,
          expiresAt,
          status_at_end: status,
        }
      })
      const expected = leases.map(
        ({ reference_valid_at_end: _, ...lease }: Expected & { reference_valid_at_end?: boolean }) => lease,
      )
      assert.deepEqual(byId(found), byId(expected))
    })

    it(`${file}: nothing was done against a lease but to cite it where it does not fit, and be denied`, () => {
      for (const family of book.families.values()) assert.equal(family.strays, undefined)
      for (const lease of book.leases.values()) {
        for (const { code, detail } of leaseNow(lease, end_ms).lease.violations) {
          assert.equal(code, 'decision-does-not-fit')
          assert.match(detail, /decided deny$/)
        }
      }
    })
  }
})

const byId = (leases: readonly Omit<Expected, 'reference_valid_at_end'>[]) =>
  leases.toSorted((a, b) => (a.leaseId < b.leaseId ? -1 : 1))
