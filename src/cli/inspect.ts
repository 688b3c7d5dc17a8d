import { canonicalText } from '../aep/canonical.ts'
import { acceptEvent, checkEvent } from '../aep/event/accept.ts'
import { factsOf } from '../aep/event/facts-of.ts'
import type { AepEvent } from '../aep/event/schema.ts'
import { isObject, type Json, type JsonObject, parseJson } from '../aep/json.ts'
import { keyRing, type TrustedKey } from '../aep/keyring.ts'
import { judgeRecord } from '../aep/record/judge.ts'
import { base64, fromHex, hex } from '../base/bytes.ts'
import { nodeSuite } from '../crypto/node.ts'
import { decodeEntry, type Entry } from '../ledger/decode.ts'
import { leafHashOf } from '../ledger/entry.ts'
import { entryPayloadType, keyIdOf, parseEntryEnvelope, signingInput } from '../ledger/signature.ts'

/** What something is, as rows of a name and a value, under headings. */
export interface Inspection {
  readonly kind: 'envelope' | 'entry' | 'event' | 'record' | 'receipt' | 'keys' | 'unknown'
  /** What it is, in a sentence. */
  readonly about: string
  readonly parts: readonly Part[]
  /** Faults, if it is not as it should be. */
  readonly faults: readonly string[]
  /** Whether a signature was found bad. */
  readonly broken: boolean
}

export interface Part {
  readonly heading: string
  readonly rows: readonly (readonly [name: string, value: string])[]
}

/** Explains bytes: an entry, bare or in its envelope, an event, an AEP record, a receipt, a key file. */
export function inspect(bytes: Uint8Array, keys: readonly TrustedKey[]): Inspection {
  const parsed = parseJson(bytes, { loneSurrogates: 'keep' })
  if (!parsed.ok || !isObject(parsed.value)) {
    const why = parsed.ok
      ? ['it is no JSON object']
      : parsed.problems.map(({ pointer, detail }) => `${pointer} ${detail}`.trim())
    return unknown(bytes, why)
  }
  const { value } = parsed
  if ('payloadType' in value && value['payloadType'] === entryPayloadType) return inspectEnvelope(value, keys)
  if ('intake' in value && 'event' in value) return inspectEntry(bytes, undefined, keys)
  if ('specversion' in value) return inspectEvent(value)
  if ('schema_version' in value || 'dsse_envelope' in value) return inspectRecord(bytes, keys)
  if ('leaf_hash' in value && 'seq' in value) return inspectReceipt(value)
  if ('keys' in value) return inspectKeys(value)
  return unknown(bytes, ['none of: envelope, entry, event, AEP record, receipt, key file'])
}

const unknown = (bytes: Uint8Array, faults: readonly string[]): Inspection => ({
  kind: 'unknown',
  about: `${bytes.length} bytes of nothing that is known here`,
  parts: [],
  faults,
  broken: true,
})

function inspectEnvelope(value: JsonObject, keys: readonly TrustedKey[]): Inspection {
  const envelope = parseEntryEnvelope(value)
  if (!envelope.ok)
    return {
      kind: 'envelope',
      about: 'a DSSE envelope that carries no entry',
      parts: [],
      faults: [envelope.detail],
      broken: true,
    }
  const inside = inspectEntry(envelope.bytes, envelope.signature, keys)
  const part: Part = {
    heading: 'envelope',
    rows: [
      ['payload type', entryPayloadType],
      ['key id (a hint)', envelope.keyId],
    ],
  }
  return { ...inside, kind: 'envelope', about: `an exported entry: ${inside.about}`, parts: [part, ...inside.parts] }
}

/** An entry's bytes, with the signature that is kept beside them where there is one. */
export function inspectEntry(
  bytes: Uint8Array,
  signature: Uint8Array | undefined,
  keys: readonly TrustedKey[],
): Inspection {
  const decoding = decodeEntry(bytes)
  const hashes: Part = {
    heading: 'bytes',
    rows: [
      ['length', `${bytes.length} bytes`],
      ['leaf hash', leafHashOf(nodeSuite, bytes)],
    ],
  }
  if (!decoding.ok) {
    const { pointer, detail } = decoding.fault
    return {
      kind: 'entry',
      about: 'something like an entry',
      parts: [hashes],
      faults: [`${pointer || '/'} ${detail}`],
      broken: true,
    }
  }
  const { entry } = decoding
  const check = signature === undefined ? undefined : signatureCheck(bytes, signature, entry, keys)
  const parts = [frameOf(entry), hashes, ...(check ? [check.part] : []), ...eventParts(entry.event)]
  const about = `entry ${entry.seq} of ledger ${entry.ledger}`
  return {
    kind: 'entry',
    about,
    parts,
    faults: check?.fault === undefined ? [] : [check.fault],
    broken: check?.fault !== undefined,
  }
}

const frameOf = ({ ledger, seq, prev, recorded_at, key_id, intake }: Entry): Part => ({
  heading: 'entry',
  rows: [
    ['ledger', ledger],
    ['seq', String(seq)],
    ['follows', prev],
    ['recorded at', recorded_at],
    ['key', key_id],
    ['sent by', intake.by],
    ['emitter signature', intake.emitter_sig],
    ['record signature', intake.record_sig],
  ],
})

function signatureCheck(
  bytes: Uint8Array,
  signature: Uint8Array,
  { key_id }: Entry,
  keys: readonly TrustedKey[],
): { part: Part; fault?: string } {
  const key = keys.find(({ keyId }) => keyId === key_id)
  const holds = key && nodeSuite.verify(key.publicKey, signingInput(bytes), signature)
  const told =
    key === undefined
      ? `not checked: key ${key_id} is not given (--keys)`
      : holds
        ? `holds under key ${key_id}`
        : 'DOES NOT HOLD'
  const part: Part = {
    heading: 'signature',
    rows: [
      ['check', told],
      ['Ed25519', base64(signature)],
    ],
  }
  return holds === false ? { part, fault: `the signature does not hold under key ${key_id}` } : { part }
}

function inspectEvent(value: JsonObject): Inspection {
  const accepted = acceptEvent(value)
  const own = accepted.ok ? accepted : checkEvent(value)
  if (!own.ok) {
    const faults = own.errors.map(({ pointer, detail }) => `${pointer || '/'} ${detail}`)
    return { kind: 'event', about: 'an event that no ledger takes', parts: [], faults, broken: true }
  }
  const canonical = canonicalText(value)
  const bytes = new TextEncoder().encode(canonical)
  const part: Part = {
    heading: 'canonical form (RFC 8785)',
    rows: [
      ['length', `${bytes.length} bytes`],
      ['SHA-256', hex(nodeSuite.sha256(bytes))],
    ],
  }
  const faults = accepted.ok ? [] : ['only a ledger itself may write an event of this type']
  return {
    kind: 'event',
    about: `an event: ${own.event.type}`,
    parts: [...eventParts(own.event), part],
    faults,
    broken: false,
  }
}

function eventParts(event: AepEvent): Part[] {
  const { data, ...attributes } = event
  const parts: Part[] = [
    { heading: 'event', rows: Object.entries(attributes).map(([name, value]) => [name, String(value)]) },
    {
      heading: 'data',
      rows: Object.entries(data).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    },
  ]
  for (const { kind, ...members } of factsOf(event)) {
    const rows = Object.entries(members).filter(([, value]) => value !== undefined)
    parts.push({
      heading: `read as: ${kind}`,
      rows: rows.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    })
  }
  return parts
}

function inspectRecord(bytes: Uint8Array, keys: readonly TrustedKey[]): Inspection {
  const verdict = judgeRecord(bytes, keyRing(keys), nodeSuite)
  const rows: [string, string][] = [
    ['verdict', verdict.verdict],
    ['reasons', verdict.reasons.join(' ') || 'none'],
    ['findings', verdict.findings.join(' ') || 'none'],
    ['chain hash', verdict.chainHash ?? 'none'],
    ['follows', verdict.prevRecordHash ?? 'nothing'],
  ]
  const record = verdict.record as Readonly<Record<string, unknown>> | undefined
  const said = Object.entries(record ?? {}).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const parts = [{ heading: 'verdict', rows }, ...(said.length > 0 ? [{ heading: 'record', rows: said }] : [])]
  const faults = verdict.notes.map(note => `${note.class} ${note.pointer || '/'} ${note.detail}`)
  return {
    kind: 'record',
    about: `an AEP record, ${bytes.length} bytes`,
    parts,
    faults,
    broken: verdict.verdict === 'reject',
  }
}

function inspectReceipt(value: JsonObject): Inspection {
  const rows = Object.entries(value).map(([name, member]): [string, string] => [
    name,
    typeof member === 'string' ? member : JSON.stringify(member),
  ])
  return {
    kind: 'receipt',
    about: `a receipt for seq ${value['seq']}`,
    parts: [{ heading: 'receipt', rows }],
    faults: [],
    broken: false,
  }
}

function inspectKeys(value: JsonObject): Inspection {
  const list: readonly Json[] = Array.isArray(value['keys']) ? value['keys'] : []
  const rows = list.filter(isObject).map((key): [string, string] => {
    const publicHex = String(key['public_hex'] ?? '')
    const publicKey = fromHex(publicHex)
    const id = publicKey && keyIdOf(nodeSuite, publicKey)
    return [
      String(key['key_id']),
      id === key['key_id'] ? 'a ledger key: its id is the digest of the key' : 'a key under an id of its own',
    ]
  })
  return {
    kind: 'keys',
    about: `a key file with ${rows.length} keys`,
    parts: [{ heading: 'keys', rows }],
    faults: [],
    broken: false,
  }
}
