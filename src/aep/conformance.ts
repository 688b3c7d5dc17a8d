import { hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { judgeBundle } from './bundle.ts'
import { canonicalText, referenceCanonicalText } from './canonical.ts'
import { judgeChain } from './chain.ts'
import { judgeReferenceLedger } from './chain-ledger.ts'
import { type Expected, expectedOf, inputOf, keysOf, optionsOf, readLeniently, ringOf } from './conformance-vector.ts'
import { isArray, isObject, type Json, type JsonObject } from './json.ts'
import type { KeyRing, TrustedKey } from './keyring.ts'
import { linesOf } from './lines.ts'
import type { FindingClass, Note, ReasonClass, Verdict } from './record/classes.ts'
import { judgeRecord } from './record/judge.ts'

/** What is printed of one item. A chain's `id` is its file. */
export interface ConformanceItem {
  readonly id: string
  readonly verdict: 'accept' | 'reject'
  readonly reasons: readonly ReasonClass[]
  readonly findings: readonly FindingClass[]
  /** 0-based record of a chain, ledger or bundle; `null` where no record in particular is bad. */
  readonly first_bad_index: number | null
  /** Of a canonical vector: our reference form of its text. */
  readonly canonical?: string
}

export type ConformanceStep =
  | {
      readonly kind: 'item'
      readonly file: string
      readonly item: ConformanceItem
      readonly notes: readonly Note[]
      readonly expected?: Expected
    }
  | { readonly kind: 'skipped'; readonly file: string; readonly why: string }

/** Bytes of a file of the folder by its path with slashes; `undefined` where there is none. */
export type ReadFile = (path: string) => Uint8Array | undefined

/**
 * Judges every item of a folder laid out as `aep-conformance`: each line of the vector files that `manifest.json` names, by
 * the line's own kind, and each chain of its chain indexes. Files of other kinds are passed over in silence; what should
 * be there and cannot be read is a `skipped` step. Verdicts never depend on what the folder expects.
 */
export function* judgeFolder(readFile: ReadFile, suite: Suite): Generator<ConformanceStep> {
  const manifest = readLeniently(readFile('manifest.json'))
  if (!isObject(manifest) || !isArray(manifest['files'])) {
    yield { kind: 'skipped', file: 'manifest.json', why: 'there is no manifest with a list of files' }
    return
  }
  const files = manifest['files'].filter(isObject)
  const trusted = new Map(
    files
      .filter(({ kind }) => kind === 'keys')
      .flatMap(({ file }) => keysOf(readLeniently(readFile(String(file)))))
      .map(key => [key.keyId, key]),
  )
  for (const { file, kind, shape } of files) {
    if (typeof file !== 'string') continue
    if (kind === 'chain-index') yield* judgeIndex(file, readFile, trusted, suite)
    else if (isVectorFile(kind, shape)) yield* judgeVectors(file, readFile, trusted, suite)
  }
}

/** Whether an item came out as the folder says; a `choice` is right either way. */
export function isRight(item: ConformanceItem, expected: Expected): boolean {
  if (item.verdict !== expected.verdict) return expected.level === 'choice'
  if (item.verdict === 'accept') return expected.findings.every(finding => item.findings.some(one => one === finding))
  if (expected.firstBadIndex !== undefined && item.first_bad_index !== expected.firstBadIndex) return false
  return expected.reasons.length === 0 || item.reasons.some(reason => expected.reasons.includes(reason))
}

const vectorKinds = ['record', 'canonical', 'ledger', 'compaction', 'bundle'] as const

const isVectorFile = (kind: Json | undefined, shape: Json | undefined) =>
  vectorKinds.some(known => known === kind) || (typeof shape === 'string' && shape.endsWith('-vector'))

function* judgeVectors(
  file: string,
  readFile: ReadFile,
  trusted: ReadonlyMap<string, TrustedKey>,
  suite: Suite,
): Generator<ConformanceStep> {
  const bytes = readFile(file)
  if (bytes === undefined) {
    yield { kind: 'skipped', file, why: 'the file is not there' }
    return
  }
  for (const line of linesOf(bytes)) {
    const vector = readLeniently(line)
    if (!isObject(vector) || typeof vector['id'] !== 'string') {
      yield { kind: 'skipped', file, why: 'a line is no vector' }
      continue
    }
    const { id, kind } = vector
    const judged = judgeVector(vector, ringOf(vector, trusted), suite)
    if (judged === undefined) yield { kind: 'skipped', file, why: `${id} is of no kind known here: ${String(kind)}` }
    else yield step(file, id, vector, judged)
  }
}

type Judged = Verdict & { readonly firstBadIndex?: number; readonly canonical?: string }

function judgeVector(vector: JsonObject, keys: KeyRing, suite: Suite): Judged | undefined {
  const options = optionsOf(vector)
  switch (vector['kind']) {
    case 'record': {
      const input = inputOf(vector)
      return input === undefined ? undefined : judgeRecord(input, keys, suite, options)
    }
    case 'bundle': {
      const input = inputOf(vector)
      return input === undefined ? undefined : judgeBundle(input, keys, suite, options)
    }
    case 'ledger':
    case 'compaction': {
      const { ledger, compaction } = vector
      if (!isArray(ledger)) return undefined
      const texts = ledger.filter(text => typeof text === 'string')
      return judgeReferenceLedger(texts, keys, suite, {
        ...options,
        ...(compaction === undefined ? {} : { compaction }),
      })
    }
    case 'canonical':
      return judgeCanonical(vector, suite)
    default:
      return undefined
  }
}

/** Whether both canonical forms of a text, read as the reference reads it, are those that the vector states. */
function judgeCanonical(vector: JsonObject, suite: Suite): Judged | undefined {
  const value = readLeniently(inputOf(vector))
  if (value === undefined) return verdict('not-json', 'the text is no JSON')
  const canonical = referenceCanonicalText(value)
  const { canonical: stated, rfc8785_utf8_same: same, rfc8785_utf8: other } = vector
  if (!isObject(stated)) return { ...verdict(), canonical }
  const bytes = utf8(canonical)
  const agrees =
    (stated['utf8'] ?? canonical) === canonical &&
    (stated['bytes'] ?? bytes.length) === bytes.length &&
    (stated['sha256'] ?? hex(suite.sha256(bytes))) === hex(suite.sha256(bytes))
  if (!agrees) return { ...verdict('canonical-mismatch', 'the reference form is another'), canonical }
  const rfc8785 = rfc8785Of(value)
  const expected = same === true ? stated['utf8'] : other
  if (rfc8785 !== undefined && typeof expected === 'string' && rfc8785 !== expected) {
    return { ...verdict('canonical-mismatch', 'the RFC 8785 form is another'), canonical }
  }
  return { ...verdict(), canonical }
}

/** RFC 8785 has no form for lone surrogates and infinities. */
function rfc8785Of(value: Json): string | undefined {
  try {
    return canonicalText(value)
  } catch {
    return undefined
  }
}

const verdict = (reason?: ReasonClass, detail = ''): Verdict => ({
  verdict: reason === undefined ? 'accept' : 'reject',
  reasons: reason === undefined ? [] : [reason],
  findings: [],
  notes: reason === undefined ? [] : [{ class: reason, pointer: '', detail }],
})

function* judgeIndex(
  index: string,
  readFile: ReadFile,
  trusted: ReadonlyMap<string, TrustedKey>,
  suite: Suite,
): Generator<ConformanceStep> {
  const listed = readLeniently(readFile(index))
  const entries = isObject(listed) ? (listed['chains'] ?? listed['files']) : listed
  if (!isArray(entries)) {
    yield { kind: 'skipped', file: index, why: 'the index is no list' }
    return
  }
  for (const entry of entries) {
    const file = isObject(entry) ? entry['file'] : undefined
    if (!isObject(entry) || typeof file !== 'string') continue
    const bytes = readFile(file)
    if (bytes === undefined) yield { kind: 'skipped', file, why: 'the file is not there' }
    else yield step(file, file, entry, judgeChain(linesOf(bytes), ringOf(entry, trusted), suite, optionsOf(entry)))
  }
}

function step(file: string, id: string, source: JsonObject, judged: Judged): ConformanceStep {
  const { verdict, reasons, findings, notes, firstBadIndex, canonical } = judged
  const expected = expectedOf(source)
  return {
    kind: 'item',
    file,
    item: {
      id,
      verdict,
      reasons,
      findings,
      first_bad_index: firstBadIndex ?? null,
      ...(canonical === undefined ? {} : { canonical }),
    },
    notes,
    ...(expected ? { expected } : {}),
  }
}
