import { referenceCanonicalText } from '../../src/aep/canonical.ts'
import { pae } from '../../src/aep/dsse.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { type KeyRing, keyRing } from '../../src/aep/keyring.ts'
import { contentOf } from '../../src/aep/record/content.ts'
import { aepPredicateType, statementPayloadType, statementType, subjectNameOf } from '../../src/aep/record/envelope.ts'
import { base64, hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'

/** A key that exists for tests alone: its seed is the hash of its name, and no ring outside tests holds it. */
export interface TestKey {
  readonly keyId: string
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
}

export function testKey(keyId: string): TestKey {
  const seed = new Uint8Array(nodeSuite.sha256(utf8(`aep-ledger test key ${keyId}`)))
  return { keyId, seed, publicKey: nodeSuite.publicKey(seed) }
}

export const alice = testKey('alice')
export const bob = testKey('bob')
/** In no ring: signs as an outsider. */
export const mallory = testKey('mallory')

export const ringOfAlice: KeyRing = keyRing([alice])
export const ringOfBoth: KeyRing = keyRing([alice, bob])

/** An unsigned v0.3 record that contradicts itself nowhere, with every default filled in. */
export const plainRecord = (changes: JsonObject = {}): JsonObject => ({
  schema_version: 'aep/v0.3',
  run_id: 'run-1',
  input_refs: [],
  output_refs: [],
  capability_decisions: [],
  actions: [plainAction()],
  verifier_results: [],
  created_at_ms: 1_780_000_000_000,
  prev_record_hash: null,
  run_side_effect_class_max: 'mutate-local',
  ...changes,
})

export const plainAction = (changes: JsonObject = {}): JsonObject => ({
  action_id: 'action-1',
  tool_name: 'write_file',
  state_changing: true,
  evidence_refs: [],
  timestamp_ms: 1_780_000_000_001,
  recording_mode: 'validation',
  side_effect_class: 'mutate-local',
  ...changes,
})

export const signatureOver = (message: Uint8Array, key: TestKey): string =>
  base64(new Uint8Array(nodeSuite.sign(key.seed, message)))

/** `record` with a signature block over its reference form, as emitters of v0.1 to v0.3 sign. */
export function signed(record: JsonObject, key: TestKey = alice): JsonObject {
  const sig = signatureOver(utf8(referenceCanonicalText(contentOf(record))), key)
  return { ...record, signature: { alg: 'ed25519', key_id: key.keyId, sig } }
}

export const chainHashOf = (record: JsonObject): string =>
  hex(nodeSuite.sha256(utf8(referenceCanonicalText(contentOf(record)))))

/** The in-toto statement about a record, its members as given in place of the right ones. */
export function statementOf(predicate: JsonObject, changes: JsonObject = {}): JsonObject {
  const sha256 = hex(nodeSuite.sha256(utf8(referenceCanonicalText(predicate))))
  return {
    _type: statementType,
    subject: [{ name: subjectNameOf(String(predicate['run_id'])), digest: { sha256 } }],
    predicateType: aepPredicateType,
    predicate,
    ...changes,
  }
}

export interface EnvelopeChoices {
  readonly key?: TestKey
  /** Which encoding the signature covers: of the payload's bytes, as DSSE has it, or of its base64 text. */
  readonly form?: 'spec' | 'legacy'
  readonly payloadType?: string
  /** The payload's text, in place of the statement about the record. */
  readonly payload?: string
}

/** `record` as v0.4 in an envelope of its own, its signature repeated in the block. */
export function enveloped(record: JsonObject, choices: EnvelopeChoices = {}): JsonObject {
  const { key = alice, form = 'spec', payloadType = statementPayloadType } = choices
  const body = { ...contentOf(record), schema_version: 'aep/v0.4' }
  const payload = utf8(choices.payload ?? JSON.stringify(statementOf(body)))
  const text = base64(payload)
  const sig = signatureOver(pae(payloadType, form === 'spec' ? payload : utf8(text)), key)
  return {
    ...body,
    dsse_envelope: { payloadType, payload: text, signatures: [{ keyid: key.keyId, sig }] },
    signature: { alg: 'ed25519', key_id: key.keyId, sig },
  }
}

/** As the reference emitter does it: a statement that still says aep/v0.3, signed over its base64 text. */
export const envelopedByEmitter = (record: JsonObject, key: TestKey = alice): JsonObject =>
  enveloped(record, {
    key,
    form: 'legacy',
    payload: JSON.stringify(statementOf({ ...contentOf(record), schema_version: 'aep/v0.3' })),
  })

/** `count` signed records, each naming the one before it. */
export function chainOf(
  count: number,
  sign: (record: JsonObject, index: number) => JsonObject = record => signed(record),
): JsonObject[] {
  const records: JsonObject[] = []
  for (let index = 0; index < count; index++) {
    const before = records.at(-1)
    records.push(
      sign(
        plainRecord({
          actions: [plainAction({ action_id: `action-${index}`, timestamp_ms: 1_780_000_000_000 + index })],
          created_at_ms: 1_780_000_000_000 + 1000 * index,
          prev_record_hash: before ? chainHashOf(before) : null,
        }),
        index,
      ),
    )
  }
  return records
}

export const texts = (records: readonly Json[]): string[] => records.map(record => JSON.stringify(record))

/** `value` with the member at `path` set, or taken away where `to` is `undefined`. */
export function change(value: Json, path: readonly (string | number)[], to: Json | undefined): Json {
  const [step, ...rest] = path
  if (step === undefined) return to ?? null
  if (Array.isArray(value))
    return value.map((inner, i) => (i === step ? change(inner as Json, rest, to) : (inner as Json)))
  const object = (value ?? {}) as JsonObject
  if (rest.length === 0 && to === undefined) {
    return Object.fromEntries(Object.entries(object).filter(([member]) => member !== step))
  }
  return { ...object, [step]: change(object[step] ?? null, rest, to) }
}
