import { canonicalText } from '../../src/aep/canonical.ts'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import type { Json } from '../../src/aep/json.ts'
import type { TrustedKey } from '../../src/aep/keyring.ts'
import { hex } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import {
  type EntryFrame,
  encodeEntry,
  type Intake,
  type LeafHash,
  leafHashOf,
  type Seq,
  zeroHash,
} from '../../src/ledger/entry.ts'
import { ledgerCreated, ownIntake } from '../../src/ledger/own-events.ts'
import { keyIdOf, signingInput } from '../../src/ledger/signature.ts'
import type { Finding, FindingCode } from '../../src/verify/findings.ts'
import { judgeHere } from '../../src/verify/judge.ts'
import type { EntrySource, SourceEntry, Trust } from '../../src/verify/port.ts'
import type { LedgerReport } from '../../src/verify/report.ts'
import { type VerifyOptions, verifyLedger } from '../../src/verify/verify.ts'

export const suite = nodeSuite

/** A signing key out of one byte. */
export interface TestKey extends TrustedKey {
  readonly seed: Uint8Array
  readonly publicHex: string
}

export function testKey(byte: number): TestKey {
  const seed = new Uint8Array(32).fill(byte)
  const publicKey = suite.publicKey(seed)
  return { seed, publicKey, keyId: keyIdOf(suite, publicKey), publicHex: hex(publicKey) }
}

/** What is to be sealed: an event, and whatever of its frame is not to be as it should. */
export interface Draft {
  /** Canonicalised, or taken as it stands. */
  readonly event: AepEvent | Json | { readonly text: string }
  readonly intake?: Partial<Intake>
  readonly frame?: Partial<EntryFrame>
  readonly key?: TestKey
  /** Changes the text of the entry before it is hashed and signed: what only the holder of the key can do. */
  readonly edit?: (text: string) => string
}

export const ledgerName = 'acme/prod'
export const key = testKey(1)
export const startMs = Date.parse('2026-01-01T00:00:00.000Z')
const at = (ms: number) => new Date(startMs + ms).toISOString()

export const created = (named: TestKey = key, ledger = ledgerName): Draft => ({
  event: ledgerCreated({ origin: 'test.example/acme/prod', ledger, key: named, at: at(0) }),
  intake: ownIntake,
})

/** The smallest decision, of its own identity. */
export const decision = (n: number, more: Record<string, Json> = {}): Draft => ({
  event: {
    specversion: '1.0',
    id: `event-${n}`,
    source: 'urn:gateway:one',
    type: 'aep.decision',
    time: at(n),
    data: { decision: 'allow', run_id: 'run-1' },
    ...more,
  },
})

export const isRaw = (event: Draft['event']): event is { readonly text: string } =>
  event !== null && typeof event === 'object' && 'text' in event && Object.keys(event).length === 1

/** Seals drafts one behind the other under their keys, as a ledger does but for what the drafts ask otherwise. */
export function sealed(drafts: readonly Draft[]): SourceEntry[] {
  let prev: LeafHash = zeroHash
  let signing = key
  return drafts.map((draft, n) => {
    signing = draft.key ?? signing
    const intake: Intake = { by: 'tok1', emitter_sig: 'absent', record_sig: 'not_a_record', ...draft.intake }
    const frame: EntryFrame = {
      ledger: ledgerName,
      seq: n as Seq,
      prev,
      recorded_at: at(n),
      key_id: signing.keyId,
      intake,
      ...draft.frame,
    }
    const text = isRaw(draft.event) ? draft.event.text : canonicalText(draft.event as Json)
    const plain = encodeEntry(frame, text)
    const bytes = draft.edit ? new TextEncoder().encode(draft.edit(new TextDecoder().decode(plain))) : plain
    prev = leafHashOf(suite, bytes)
    return { seq: n, bytes, signature: suite.sign(signing.seed, signingInput(bytes)) }
  })
}

/** A source over entries in memory, in batches of `size`. */
export const sourceOf = (entries: readonly SourceEntry[], more: Partial<EntrySource> = {}, size = 64): EntrySource => ({
  ledger: ledgerName,
  async *entries(from) {
    const rest = entries.filter(entry => (entry.seq ?? from) >= from)
    for (let n = 0; n < rest.length; n += size) yield rest.slice(n, n + size)
  },
  ...more,
})

/** Without the numbers that a store gives: what an export is. */
export const unnumbered = (entries: readonly SourceEntry[]): SourceEntry[] =>
  entries.map(({ seq: _, ...entry }) => entry)

export interface Outcome {
  readonly findings: readonly Finding[]
  readonly report: LedgerReport
  /** Codes that fail, each once, in order. */
  readonly fails: readonly FindingCode[]
}

export const trust: Trust = { keys: [key] }

export async function verified(
  source: EntrySource,
  believed: Trust = trust,
  options: Partial<VerifyOptions> = {},
): Promise<Outcome> {
  const run = verifyLedger(source, believed, { suite, judge: judgeHere(suite), ...options })
  const findings: Finding[] = []
  for (;;) {
    const step = await run.next()
    if (step.done) {
      const fails = [...new Set(findings.filter(({ severity }) => severity === 'fail').map(({ code }) => code))]
      return { findings, report: step.value, fails }
    }
    findings.push(step.value)
  }
}

/** The pin of an entry: its place and leaf hash. */
export const pinOf = (entry: SourceEntry | undefined): { seq: number; leafHash: string } => {
  if (entry?.seq === undefined) throw new Error('no entry to pin')
  return { seq: entry.seq, leafHash: leafHashOf(suite, entry.bytes) }
}
