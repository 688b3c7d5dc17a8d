import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { hex } from '../../src/base/bytes.ts'
import { judgeOnAllCores } from '../../src/cli/verify-pool.ts'
import type { Suite } from '../../src/crypto/suite.ts'
import { signingInput } from '../../src/ledger/signature.ts'
import type { Finding } from '../../src/verify/findings.ts'
import { judgeHere } from '../../src/verify/judge.ts'
import type { SourceEntry, Trust } from '../../src/verify/port.ts'
import { conformanceLines, conformanceSkip, conformanceText } from '../support/conformance.ts'
import {
  created,
  type Draft,
  decision,
  key,
  type Outcome,
  pinOf,
  sealed,
  sourceOf,
  suite,
  testKey,
  trust,
  unnumbered,
  verified,
} from './support.ts'

const count = 200

/** Records of every version in the conformance set: the smallest of each file, for the sake of time. */
function records(): string[] {
  const vectors = conformanceLines('vectors/valid-records.jsonl').map(
    vector => (vector as { input: { text: string } }).input.text,
  )
  const chain = (name: string) => conformanceText(`chains/valid/${name}.jsonl`).trimEnd().split('\n')
  const shortest = (texts: string[], n: number) => [...new Set(texts)].sort((a, b) => a.length - b.length).slice(0, n)
  return [
    ...shortest(vectors, 60),
    ...shortest(chain('v0.1-emitter-50'), 50),
    ...shortest(chain('v0.2-emitter-50'), 50),
    ...shortest(chain('v0.3-emitter-50'), 35),
    ...shortest(chain('v0.4-emitter-dsse-50'), 4),
  ]
}

const recordOf = (text: string, n: number): Draft => {
  const signed = 'signature' in JSON.parse(text)
  return {
    event: { ...(decision(n).event as object), type: 'aep.record', data: { record: text } },
    intake: { record_sig: signed ? 'key_unknown' : 'absent' },
  }
}

/** A suite that remembers what it verified, so that a ledger with one change costs one verification. */
function remembering(): Suite {
  const known = new Map<string, boolean>()
  return {
    ...suite,
    verify(publicKey, message, signature) {
      const name = hex(suite.sha256(publicKey, message, signature))
      const told = known.get(name) ?? suite.verify(publicKey, message, signature)
      known.set(name, told)
      return told
    },
  }
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
  return copy
}

describe('a ledger of 200 conformance records', { skip: conformanceSkip }, () => {
  const entries = conformanceSkip ? [] : sealed([created(), ...records().map((text, n) => recordOf(text, n + 1))])
  const pool = judgeOnAllCores()
  after(() => pool.close())
  const quick = remembering()
  const options = { suite: quick, judge: judgeHere(quick), findingsMax: 1_000_000 }
  const judge = (changed: readonly SourceEntry[], believed: Trust = trust): Promise<Outcome> =>
    verified(sourceOf(changed, {}, 256), believed, options)

  async function firstBad(changed: readonly SourceEntry[], believed?: Trust): Promise<number | undefined> {
    const { report } = await judge(changed, believed)
    assert.equal(report.verdict, 'tampered')
    return report.firstBadSeq
  }

  it('is verified as it is', async () => {
    const { report, findings } = await judge(entries)
    assert.equal(entries.length, count)
    assert.deepEqual(findings, [])
    assert.equal(report.verdict, 'verified')
  })

  // The chain shows a change of entry n at n + 1 as well; what is asked for is that n itself is named.
  const ownFault = ({ code, severity }: Finding) =>
    severity === 'fail' && code !== 'chain-broken' && code !== 'recorded-at-backwards'

  /** Changes one byte of every entry in each run: an entry is judged by itself, so that each shows at its own place. */
  async function everyByte(part: 'bytes' | 'signature'): Promise<number> {
    const longest = Math.max(...entries.map(entry => entry[part].length))
    let flips = 0
    for (let at = 0; at < longest; at++) {
      const touched = entries.flatMap((entry, n) => (at < entry[part].length ? [n] : []))
      const changed = entries.map(entry =>
        at < entry[part].length ? { ...entry, [part]: flipped(entry[part], at) } : entry,
      )
      const { findings } = await verified(sourceOf(changed, {}, 256), trust, {
        suite: quick,
        judge: pool,
        findingsMax: 1e6,
      })
      const named = new Set(findings.filter(ownFault).map(({ seq }) => seq))
      assert.deepEqual(
        touched.filter(n => !named.has(n)),
        [],
        `byte ${at} of ${part}`,
      )
      flips += touched.length
    }
    return flips
  }

  it('names the entry, whichever byte of it is changed', async () => {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 0)
    assert.equal(await everyByte('bytes'), bytes)
  })

  it('names the entry, whichever byte of its signature is changed', async () => {
    assert.equal(await everyByte('signature'), 64 * count)
  })

  it('names nothing before a changed byte', async () => {
    for (let n = 0; n < count; n++) {
      const entry = entries[n]
      if (entry === undefined) throw new Error('no entry')
      const at = (n * 7919) % entry.bytes.length
      const bytes = entries.with(n, { ...entry, bytes: flipped(entry.bytes, at) })
      assert.equal(await firstBad(bytes), n, `byte ${at} of entry ${n}`)
      const signature = entries.with(n, { ...entry, signature: flipped(entry.signature, n % 64) })
      assert.equal(await firstBad(signature), n)
      const otherwise = entries.with(n, {
        ...entry,
        bytes: entry.bytes.map((byte, m) => (m === at ? byte ^ 0xff : byte)),
      })
      assert.equal(await firstBad(unnumbered(otherwise)), n)
    }
  })

  it('names the place of every entry that is dropped', async () => {
    for (let n = 0; n < count; n++) {
      const changed = entries.toSpliced(n, 1)
      const believed = { ...trust, head: pinOf(entries[count - 1]) }
      assert.equal(await firstBad(changed, believed), n)
      assert.equal(await firstBad(unnumbered(changed), believed), n)
    }
  })

  it('names the place where any entry stands a second time', async () => {
    for (let n = 0; n < count; n++) {
      const [entry] = entries.slice(n, n + 1)
      if (entry === undefined) throw new Error('no entry')
      assert.equal(await firstBad(unnumbered(entries.toSpliced(n + 1, 0, entry))), n + 1)
      if (n + 1 < count) assert.equal(await firstBad(entries.with(n + 1, { ...entry, seq: n + 1 })), n + 1)
    }
  })

  it('names the first of any two neighbours that are swapped', async () => {
    for (let n = 0; n + 1 < count; n++) {
      const [a, b] = entries.slice(n, n + 2)
      if (a === undefined || b === undefined) throw new Error('no entries')
      assert.equal(await firstBad(unnumbered(entries.toSpliced(n, 2, b, a))), n)
      assert.equal(await firstBad(entries.toSpliced(n, 2, { ...b, seq: n }, { ...a, seq: n + 1 })), n)
    }
  })

  it('names every entry that is signed again under an unknown key, in its own name or in that of the real one', async () => {
    const stranger = testKey(77)
    for (const [n, entry] of entries.entries()) {
      const signature = suite.sign(stranger.seed, signingInput(entry.bytes))
      assert.equal(await firstBad(entries.with(n, { ...entry, signature })), n)
      const text = new TextDecoder()
        .decode(entry.bytes)
        .replace(`"key_id":"${key.keyId}"`, `"key_id":"${stranger.keyId}"`)
      const bytes = new TextEncoder().encode(text)
      const own = { ...entry, bytes, signature: suite.sign(stranger.seed, signingInput(bytes)) }
      assert.equal(await firstBad(entries.with(n, own)), n)
    }
  })

  it('names the first missing place of any tail that is cut against a pinned head', async () => {
    const believed = { ...trust, head: pinOf(entries[count - 1]) }
    for (let n = 0; n < count; n++) assert.equal(await firstBad(entries.slice(0, n), believed), n)
  })
})
