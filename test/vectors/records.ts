import type { Json, JsonObject } from '../../src/aep/json.ts'
import { base64, utf8 } from '../../src/base/bytes.ts'
import {
  alice,
  bob,
  change,
  enveloped,
  envelopedByEmitter,
  mallory,
  plainAction,
  plainRecord,
  signed,
  statementOf,
} from '../support/aep.ts'

/** A record vector in the shape of `aep-conformance`. */
export interface RecordVector {
  readonly id: string
  readonly kind: 'record'
  readonly about: string
  readonly input: { readonly text: string } | { readonly text_b64: string } | { readonly text_parts: readonly Json[] }
  readonly keyring: readonly string[]
  readonly expected: {
    readonly verdict: 'accept' | 'reject'
    readonly reasons: readonly string[]
    readonly findings: readonly string[]
    readonly level: 'must'
  }
}

export function recordVectors(): RecordVector[] {
  return [...accepted(), ...refusedTexts(), ...refusedSignatures(), ...refusedEnvelopes(), ...tampered()].map(
    (vector, i) => ({
      id: `own-rec-${String(i).padStart(3, '0')}`,
      ...vector,
    }),
  )
}

type Vector = Omit<RecordVector, 'id'>

const vector = (
  about: string,
  record: Json | RecordVector['input'],
  reasons: readonly string[],
  findings: readonly string[] = [],
): Vector => ({
  kind: 'record',
  about,
  input: isInput(record) ? record : { text: typeof record === 'string' ? record : JSON.stringify(record) },
  keyring: [alice.keyId, bob.keyId],
  expected: { verdict: reasons.length === 0 ? 'accept' : 'reject', reasons, findings, level: 'must' },
})

const isInput = (value: Json | RecordVector['input']): value is RecordVector['input'] =>
  value !== null && typeof value === 'object' && ('text_b64' in value || 'text_parts' in value)

const plain = plainRecord()
const record = signed(plain)
const text = JSON.stringify(record)
const body: JsonObject = { ...plain, schema_version: 'aep/v0.4' }

function* accepted(): Generator<Vector> {
  for (const version of ['aep/v0.1', 'aep/v0.2', 'aep/v0.3']) {
    yield vector(`a signed ${version} record`, signed(plainRecord({ schema_version: version })), [])
  }
  yield vector('signed by another key of the ring', signed(plain, bob), [])
  yield vector('laid out otherwise', JSON.stringify(Object.fromEntries(Object.entries(record).reverse()), null, 2), [])
  yield vector('in bytes', { text_b64: base64(utf8(text)) }, [])
  yield vector(
    'without the defaults',
    signed({ schema_version: 'aep/v0.2', run_id: 'r', created_at_ms: 1 }),
    [],
    ['defaults-not-applied'],
  )
  yield vector('with a signed member of its own', signed({ ...plain, x_note: 1 }), [], ['unknown-field'])
  yield vector('with an unsigned member in the block', change(record, ['signature', 'x'], 1), [], ['unsigned-member'])
  yield vector('in an envelope as DSSE has it', enveloped(plain), [])
  yield vector(
    'in an envelope as the emitter writes it',
    envelopedByEmitter(plain),
    [],
    ['dsse-pae-legacy-base64', 'dsse-schema-version-skew'],
  )
  yield vector('v0.4 without an envelope', signed(body), [], ['dsse-envelope-absent'])
  const proof = { timestamp: '2026-01-01T00:00:00.000Z', authority: 'tsa.example', proof: 'MIIB' }
  yield vector('stamped after signing', { ...record, timestamp_proof: proof }, [], ['timestamp-proof-detached'])
  yield vector('stamped before signing', signed({ ...plain, timestamp_proof: proof }), [], ['timestamp-proof-signed'])
  yield vector('with a lone surrogate', JSON.stringify(signed({ ...plain, user_id: '\ud800' })), [])
  yield vector(
    'with a digest of 64 bits',
    signed({ ...plain, policy_bundle_digest: '0123456789abcdef' }),
    [],
    ['digest-64-bit'],
  )
  yield vector(
    'contradicting itself',
    signed({ ...plain, actions: [plainAction({ side_effect_class: 'read' })], run_side_effect_class_max: 'unknown' }),
    [],
    ['side-effect-inconsistent', 'run-max-mismatch'],
  )
}

function* refusedTexts(): Generator<Vector> {
  yield vector('nothing', '', ['not-json'])
  yield vector('an array around the record', [record], ['not-object'])
  yield vector('a byte order mark', `\ufeff${text}`, ['bom'])
  yield vector('a byte that is no UTF-8', { text_b64: base64(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)) }, [
    'invalid-utf8',
  ])
  yield vector('a name twice, escaped', text.replace('"run_id"', '"run\\u005fid":"evil","run_id"'), ['duplicate-key'])
  yield vector('a __proto__ member', text.replace('{', '{"__proto__":{},'), ['unsafe-key'])
  const counted = JSON.stringify(signed({ ...plain, created_at_ms: 9007199254740992 }))
  yield vector('a number of a power of two', counted, [])
  yield vector('its neighbour, which no double holds', counted.replace('9007199254740992', '9007199254740993'), [
    'number-lossy',
  ])
  yield vector('ten thousand levels', { text_parts: [{ repeat: '[', times: 10_000 }] }, ['nesting-limit'])
  yield vector('nine megabytes', { text_parts: [{ s: '{"x":"' }, { repeat: 'x', times: 9_000_000 }, { s: '"}' }] }, [
    'size-limit',
  ])
  yield vector('an unknown version, signed', signed({ ...plain, schema_version: 'aep/v0.5' }), ['schema'])
}

function* refusedSignatures(): Generator<Vector> {
  const { signature, ...unsigned } = record
  const { sig } = signature as { sig: string }
  const withSig = (to: string) => change(record, ['signature', 'sig'], to)
  yield vector('unsigned', unsigned, ['unsigned'])
  yield vector('the placeholder', withSig('UNSIGNED_PLACEHOLDER'), ['unsigned'])
  yield vector('no padding', withSig(sig.replace('==', '')), ['signature-encoding'])
  yield vector('base64url', withSig(Buffer.from(sig, 'base64').toString('base64url')), ['signature-encoding'])
  yield vector('63 bytes', withSig(Buffer.from(sig, 'base64').subarray(1).toString('base64')), ['signature-length'])
  yield vector('alg none', change(record, ['signature', 'alg'], 'none'), ['signature-alg'])
  yield vector('an unknown key id', change(record, ['signature', 'key_id'], 'nobody'), ['key-unknown'])
  yield vector('another key’s id', change(record, ['signature', 'key_id'], 'bob'), ['key-id-mismatch'])
  yield vector('an outsider', signed(plain, mallory), ['key-unknown'])
}

function* refusedEnvelopes(): Generator<Vector> {
  for (const [form, good] of [
    ['spec', enveloped(plain)],
    ['legacy', envelopedByEmitter(plain)],
  ] as const) {
    const lie = (payload: JsonObject) => enveloped(plain, { form, payload: JSON.stringify(payload) })
    yield vector(`${form}: another body`, { ...good, run_id: 'evil' }, ['dsse-predicate-mismatch'])
    yield vector(`${form}: no signature`, change(good, ['dsse_envelope', 'signatures'], []), ['dsse-no-signatures'])
    yield vector(`${form}: another type`, change(good, ['dsse_envelope', 'payloadType'], 'text/plain'), [
      'dsse-payload-type',
    ])
    yield vector(`${form}: envelope taken off`, change(good, ['dsse_envelope'], undefined), ['dsse-missing'])
    yield vector(`${form}: another block`, change(good, ['signature', 'key_id'], 'bob'), [
      'signature-block-inconsistent',
    ])
    yield vector(`${form}: another statement type`, lie(statementOf(body, { _type: 'x' })), [
      'dsse-payload-not-statement',
    ])
    yield vector(`${form}: another predicate type`, lie(statementOf(body, { predicateType: 'x' })), [
      'dsse-predicate-type',
    ])
    yield vector(`${form}: another subject`, lie(statementOf(body, { subject: [] })), ['dsse-subject-name'])
    yield vector(`${form}: another run inside`, lie(statementOf({ ...body, run_id: 'x' })), ['dsse-predicate-mismatch'])
    yield vector(`${form}: an outsider`, enveloped(plain, { form, key: mallory }), ['key-unknown'])
  }
}

/** One record, changed at each of its members in turn. */
function* tampered(): Generator<Vector> {
  for (const member of Object.keys(plain)) {
    const to = typeof plain[member] === 'string' ? `${plain[member]}x` : typeof plain[member] === 'number' ? 7 : 'x'
    yield vector(`${member} changed`, change(record, [member], to), ['signature-mismatch'])
    yield vector(`${member} taken away`, change(record, [member], undefined), ['signature-mismatch'])
  }
}
