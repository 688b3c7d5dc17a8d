import { hex } from '../../base/bytes.ts'
import type { Suite } from '../../crypto/suite.ts'
import { isObject, type Json, type JsonLimits, type JsonObject, parseJson } from '../json.ts'
import type { KeyRing, TrustedKey } from '../keyring.ts'
import { name, newTally, refuse, type Tally, type Verdict, verdictOf } from './classes.ts'
import { canonicalBytes, contentOf, without } from './content.ts'
import { proofOf } from './proof.ts'
import { type AepRecord, aepRecordSchema } from './schema.ts'
import { nameContradictions } from './semantics.ts'
import { judgeSignature } from './signature.ts'

/** When a key may sign, by `created_at_ms`, both ends inclusive. */
export interface KeyWindow {
  readonly keyId: string
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
}

export interface JudgeOptions {
  readonly limits?: Partial<JsonLimits>
  /** Beside what the key ring itself says; a key with several windows may sign in any of them. */
  readonly keyValidity?: readonly KeyWindow[]
}

export interface RecordVerdict extends Verdict {
  /** The record as the schema reads it: present where it fits, even when it is refused for another reason. */
  readonly record?: AepRecord
  /** What the next record's `prev_record_hash` has to say, as 64 hex digits; absent where there is no object. */
  readonly chainHash?: string
  /** The same without a `timestamp_proof`: what links say that were made before the proof came. */
  readonly chainHashWithoutProof?: string
  /** Its own `prev_record_hash`, where that is a text. */
  readonly prevRecordHash?: string
}

/** A record of 1 MiB takes about 2.4 MiB in its envelope. Deeper than 256 is no record, and no reader should have to try. */
export const recordLimits: JsonLimits = { bytesMax: 4_194_304, depthMax: 256, loneSurrogates: 'keep' }

/**
 * The verdict on one AEPRecord, bare or in DSSE, given the keys that are trusted: every reason against it and every finding
 * about it. The text is what is judged; it need not be UTF-8, JSON or an object. Nothing makes it throw.
 *
 * Cost: one parse, one canonical form, one or two verifications; a few more where a signature fails, to say why.
 */
export function judgeRecord(
  input: string | Uint8Array,
  keys: KeyRing,
  suite: Suite,
  options: JudgeOptions = {},
): RecordVerdict {
  const tally = newTally()
  const limits = { ...recordLimits, ...options.limits }
  const value = readText(input, limits, tally)
  return value === undefined ? verdictOf(tally) : judgeParsed(value, keys, suite, options, tally)
}

/** The value of a text, or of a lenient reading of it, with what is wrong with the text refused. */
export function readText(input: string | Uint8Array, limits: Partial<JsonLimits>, tally: Tally): Json | undefined {
  const parsed = parseJson(input, limits)
  if (parsed.ok) return parsed.value
  for (const { reason, pointer, detail } of parsed.problems) {
    // No verdict knows lone surrogates: records may hold them, and this room never asks the parser to refuse them.
    refuse(tally, reason === 'lone-surrogate' ? 'not-json' : reason, pointer, detail)
  }
  return parsed.reading
}

/** The verdict on a value that was parsed strictly, as part of something larger. */
export function judgeParsed(
  value: Json,
  keys: KeyRing,
  suite: Suite,
  options: JudgeOptions = {},
  tally: Tally = newTally(),
): RecordVerdict {
  if (!isObject(value)) {
    refuse(tally, 'not-object', '', 'a record is a JSON object')
    return verdictOf(tally)
  }
  const limits = { ...recordLimits, ...options.limits }
  const record = judgeShape(value, tally)
  const vouching = judgeSignature(value, { keys, suite, explain: true }, limits, tally)
  judgeTime(value, vouching, options.keyValidity ?? [], tally)
  // What a refused record says of itself is nobody's word.
  if (record && tally.reasons.size === 0) {
    nameMembers(value, record, tally)
    nameContradictions(record, tally)
  }
  return { ...verdictOf(tally), ...(record ? { record } : {}), ...chainHashes(value, suite) }
}

function judgeShape(value: JsonObject, tally: Tally): AepRecord | undefined {
  const parsed = aepRecordSchema.safeParse(value)
  if (parsed.success) return parsed.data
  for (const { path, message } of parsed.error.issues) {
    refuse(tally, 'schema', path.map(step => `/${String(step)}`).join(''), message)
  }
  return undefined
}

/** Each key that vouches for the record had to be valid when the record says it was made. */
function judgeTime(
  record: JsonObject,
  vouching: readonly TrustedKey[],
  windows: readonly KeyWindow[],
  tally: Tally,
): void {
  const atMs = record['created_at_ms']
  if (typeof atMs !== 'number' || vouching.length === 0) return
  const valid = vouching.some(key => {
    const own = windows.filter(({ keyId }) => keyId === key.keyId)
    return isWithin(atMs, key) && (own.length === 0 || own.some(window => isWithin(atMs, window)))
  })
  if (!valid) refuse(tally, 'key-not-valid-at-time', '/created_at_ms', 'the key was not valid at that time')
}

const isWithin = (atMs: number, { notBeforeMs, notAfterMs }: Omit<KeyWindow, 'keyId'>) =>
  (notBeforeMs === undefined || atMs >= notBeforeMs) && (notAfterMs === undefined || atMs <= notAfterMs)

/** Names members that the schema does not know, and defaults that it filled in and nobody signed. */
function nameMembers(value: JsonObject, record: AepRecord, tally: Tally): void {
  const proofIsOutside = tally.findings.has('timestamp-proof-detached')
  compare(value, record, '', {
    unknown: at => {
      const outside =
        /^\/(?:signature|dsse_envelope)\//.test(at) || (proofIsOutside && at.startsWith('/timestamp_proof/'))
      if (outside) name(tally, 'unsigned-member', at, 'no signature covers this member')
      else name(tally, 'unknown-field', at, 'the schema does not know this member')
    },
    filled: at =>
      name(tally, 'defaults-not-applied', at, 'signed without it: filling in the default breaks the signature'),
  })
}

interface Differences {
  readonly unknown: (at: string) => void
  readonly filled: (at: string) => void
}

function compare(input: Json, output: unknown, at: string, differences: Differences): void {
  if (input === output || input === null || typeof input !== 'object') return
  const read = output as Readonly<Record<string, unknown>>
  for (const [member, inner] of Object.entries(input)) {
    const place = `${at}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (Object.hasOwn(read, member)) compare(inner, read[member], place, differences)
    else differences.unknown(place)
  }
  for (const member of Object.keys(read)) {
    if (!Object.hasOwn(input, member)) differences.filled(`${at}/${member}`)
  }
}

type Hashes = Pick<RecordVerdict, 'chainHash' | 'chainHashWithoutProof' | 'prevRecordHash'>

function chainHashes(record: JsonObject, suite: Suite): Hashes {
  const content = contentOf(record)
  const chainHash = hex(suite.sha256(canonicalBytes(content)))
  const prev = record['prev_record_hash']
  const hashes = { chainHash, ...(typeof prev === 'string' ? { prevRecordHash: prev } : {}) }
  if (!proofOf(record)) return hashes
  const bare = canonicalBytes(without(content, 'timestamp_proof'))
  return { ...hashes, chainHashWithoutProof: hex(suite.sha256(bare)) }
}
