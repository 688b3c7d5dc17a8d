import { hex, utf8 } from '../../base/bytes.ts'
import { referenceCanonicalText } from '../canonical.ts'
import { type Envelope, pae, parseEnvelope } from '../dsse.ts'
import { isArray, isObject, type Json, type JsonLimits, type JsonObject, type JsonReason, parseJson } from '../json.ts'
import type { TrustedKey } from '../keyring.ts'
import { name, refuse, type Tally } from './classes.ts'
import { contentOf, without } from './content.ts'
import { type Checking, checkClaim, type Outcome } from './verification.ts'

export const statementPayloadType = 'application/vnd.in-toto+json'
export const statementType = 'https://in-toto.io/Statement/v1'
export const aepPredicateType = 'https://wasmagent.dev/attestations/aep/v0.4'
export const subjectNameOf = (runId: string): string => `urn:wasmagent:run:${runId}`

/** Signatures of one envelope: more are refused unread, for anyone can add as many as a body holds. */
export const signaturesMax = 16
/** Verifications for one envelope: a signature without a key id is tried under every key. Some 20 ms at most. */
export const verificationsMax = 256

/** What is known of an envelope once it has been judged. */
export interface EnvelopeReading {
  /** Trusted keys whose signatures hold. */
  readonly keys: readonly TrustedKey[]
  /** What was signed as the record, where the payload holds one. */
  readonly predicate?: JsonObject
}

/**
 * Judges the DSSE envelope of `record`: whether a trusted key signed it, whether its payload is an in-toto statement about
 * this run, and whether the record around it says what the statement says. An intact envelope vouches for its payload
 * alone, so a body that differs is refused.
 *
 * A signature may cover the pre-authentication encoding of the payload's bytes, as DSSE has it, or of the payload's base64
 * text, as the reference emitter writes it (`dsse-pae-legacy-base64`). One good signature is enough; others are named,
 * because anyone can add one. Over `signaturesMax` none is tried.
 */
export function judgeEnvelope(
  record: JsonObject,
  checking: Checking,
  limits: Partial<JsonLimits>,
  tally: Tally,
): EnvelopeReading {
  const parsed = parseEnvelope(record['dsse_envelope'] ?? null)
  if (!parsed.ok) {
    // The schema says what is wrong with the shape.
    if (parsed.problem === 'shape') refuse(tally, 'schema', '/dsse_envelope', 'the envelope is not one')
    else refuse(tally, 'dsse-payload-encoding', '/dsse_envelope/payload', 'the payload is not padded standard base64')
    return { keys: [] }
  }
  const { envelope } = parsed
  if (envelope.payloadType !== statementPayloadType) {
    refuse(tally, 'dsse-payload-type', '/dsse_envelope/payloadType', `it should be ${statementPayloadType}`)
  }
  const keys = judgeSignatures(envelope, checking, tally)
  const statement = readStatement(envelope.payload, limits, tally)
  if (statement === undefined) return { keys }
  const { predicate } = statement
  const signed = isObject(predicate) ? referenceCanonicalText(predicate) : ''
  judgeStatement(statement, signed, checking, tally)
  if (!isObject(predicate)) return { keys }
  judgeBody(record, predicate, signed, tally)
  return { keys, predicate }
}

function judgeSignatures(envelope: Envelope, checking: Checking, tally: Tally): readonly TrustedKey[] {
  const { payloadType, payload, payloadText, signatures } = envelope
  const at = '/dsse_envelope/signatures'
  if (signatures.length === 0) {
    refuse(tally, 'dsse-no-signatures', at, 'the envelope carries no signature')
    return []
  }
  if (signatures.length > signaturesMax) {
    refuse(tally, 'signature-limit', at, `the envelope carries more than ${signaturesMax} signatures`)
    return []
  }
  const within: Checking = { ...checking, tries: { left: verificationsMax } }
  // The spec's encoding, then the emitter's.
  const messages = [pae(payloadType, payload), pae(payloadType, utf8(payloadText))]
  const outcomes = signatures.map(({ keyid, sig }) =>
    checkClaim({ keyId: keyid === '' ? undefined : keyid, sig }, messages, within),
  )
  const good = outcomes.filter(outcome => outcome.verified)
  if (good.length > 0) {
    if (good.length < outcomes.length)
      name(tally, 'dsse-extra-signature', at, 'not every signature is by a trusted key')
    if (!good.some(({ message }) => message === 0)) {
      name(tally, 'dsse-pae-legacy-base64', at, 'the signature covers the base64 text of the payload, not its bytes')
    }
    return good.map(({ key }) => key)
  }
  for (const [index, outcome] of outcomes.entries()) refuseClaim(outcome, `${at}/${index}`, tally)
  return []
}

function refuseClaim(outcome: Outcome, at: string, tally: Tally): void {
  if (outcome.verified) return
  for (const { reason, detail } of outcome.faults) {
    refuse(tally, reason === 'signature-mismatch' ? 'dsse-signature-mismatch' : reason, at, detail)
  }
}

/** The payload as a JSON object. It is attacker-controlled even under a good signature: a signer may sign anything. */
function readStatement(payload: Uint8Array, limits: Partial<JsonLimits>, tally: Tally): JsonObject | undefined {
  const at = '/dsse_envelope/payload'
  const parsed = parseJson(payload, { ...limits, loneSurrogates: 'keep' })
  for (const { reason, pointer, detail } of parsed.ok ? [] : parsed.problems) {
    const where = pointer === '' ? detail : `${pointer} in it: ${detail}`
    if (isTextual(reason)) refuse(tally, 'dsse-payload-not-statement', at, where)
    if (reason !== 'not-json' && reason !== 'lone-surrogate') refuse(tally, reason, at, where)
  }
  const value = parsed.ok ? parsed.value : parsed.reading
  if (isObject(value)) return value
  if (value !== undefined) refuse(tally, 'dsse-payload-not-statement', at, 'the payload is no JSON object')
  return undefined
}

/** Reasons for which the payload as a whole is no JSON, and so no statement either. */
const isTextual = (reason: JsonReason) => reason === 'not-json' || reason === 'bom' || reason === 'invalid-utf8'

/** in-toto Statement v1 about one run, its subject being the predicate itself in its reference form, `signed`. */
function judgeStatement(statement: JsonObject, signed: string, { suite }: Checking, tally: Tally): void {
  const at = '/dsse_envelope/payload'
  const { _type, predicateType, predicate, subject } = statement
  if (_type !== statementType) refuse(tally, 'dsse-payload-not-statement', at, `_type should be ${statementType}`)
  if (predicateType !== aepPredicateType) {
    refuse(tally, 'dsse-predicate-type', at, `predicateType should be ${aepPredicateType}`)
  }
  if (!isObject(predicate)) {
    refuse(tally, 'dsse-payload-not-statement', at, 'predicate should be an object')
    refuse(tally, 'dsse-predicate-mismatch', at, 'the statement holds no record')
    return
  }
  const runId = predicate['run_id']
  const digest = hex(suite.sha256(utf8(signed)))
  const subjects: readonly Json[] = isArray(subject) ? subject : []
  if (subjects.length === 0) refuse(tally, 'dsse-payload-not-statement', at, 'the statement has no subject')
  if (subjects.length === 0 || !subjects.every(one => nameOf(one) === subjectNameOf(String(runId)))) {
    refuse(tally, 'dsse-subject-name', at, `the subject should be ${subjectNameOf(String(runId))}`)
  }
  if (subjects.length === 0 || !subjects.every(one => digestOf(one) === digest)) {
    refuse(tally, 'dsse-subject-digest', at, `the subject's sha256 should be ${digest}`)
  }
}

const nameOf = (subject: Json) => (isObject(subject) ? subject['name'] : undefined)

function digestOf(subject: Json): Json | undefined {
  const digest = isObject(subject) ? subject['digest'] : undefined
  return isObject(digest) ? digest['sha256'] : undefined
}

/** Whether the record around the envelope says what was signed inside it, whose reference form is `signed`. */
function judgeBody(record: JsonObject, predicate: JsonObject, signed: string, tally: Tally): void {
  const detached = record['timestamp_proof'] !== undefined && predicate['timestamp_proof'] === undefined
  const body = detached ? without(contentOf(record), 'timestamp_proof') : contentOf(record)
  // The emitter makes the statement before it raises the version from v0.3 to v0.4.
  const skewed = body['schema_version'] === 'aep/v0.4' && predicate['schema_version'] === 'aep/v0.3'
  const comparable = skewed ? { ...body, schema_version: 'aep/v0.3' } : body
  if (referenceCanonicalText(comparable) !== signed) {
    refuse(tally, 'dsse-predicate-mismatch', '', 'the record does not say what its envelope does')
  } else if (skewed) {
    name(tally, 'dsse-schema-version-skew', '/dsse_envelope/payload', 'the signed record says aep/v0.3')
  }
}
