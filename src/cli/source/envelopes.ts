import { parseJson } from '../../aep/json.ts'
import { parseEntryEnvelope } from '../../ledger/signature.ts'
import { readFrame } from '../../verify/frame.ts'
import type { SourceEntry } from '../../verify/port.ts'
import type { Line } from './lines.ts'

/** A line of an export holds at most an entry of 65,535 bytes in base64 and its signature. */
export const envelopeBytesMax = 1 << 20

/** The entry that a line of an export carries, or why it carries none. */
export function entryOfLine({ bytes, number }: Line): SourceEntry {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return notOne(bytes, `Line ${number} is not JSON (${parsed.problems[0]?.detail})`)
  const envelope = parseEntryEnvelope(parsed.value)
  if (!envelope.ok) return notOne(bytes, `Line ${number}: ${envelope.detail}`)
  const named = readFrame(envelope.bytes)?.key_id
  if (named !== undefined && named !== envelope.keyId) {
    return notOne(bytes, `Line ${number} names key ${envelope.keyId}, its entry key ${named}`)
  }
  return { bytes: envelope.bytes, signature: envelope.signature }
}

const notOne = (bytes: Uint8Array, problem: string): SourceEntry => ({ bytes, signature: new Uint8Array(0), problem })
