import type { FactRow, Row } from '../row.ts'

/**
 * Rows in ClickHouse's RowBinary format: the values of `columns`, one after another, without names or escapes, so that an
 * entry's bytes arrive as they are.
 *
 *   row         = every column in order
 *   String      = varint length, bytes                Array(T) = varint count, count x T
 *   FixedString = bytes    UInt64, Int64 = 8 bytes    Enum8    = 1 byte      (little-endian)
 */
const types = {
  ledger: 'String',
  seq: 'UInt64',
  leaf_hash: 'FixedString(32)',
  recorded_at: 'DateTime64(3)',
  time: 'DateTime64(3)',
  time_from: 'Int8',
  type: 'String',
  source: 'String',
  event_id: 'String',
  key_id: 'String',
  intake_by: 'String',
  emitter_sig: 'String',
  record_sig: 'String',
  principal: 'String',
  session: 'String',
  run: 'String',
  fact_kind: 'Array(String)',
  fact_principal: 'Array(String)',
  fact_session: 'Array(String)',
  fact_run: 'Array(String)',
  fact_server: 'Array(String)',
  fact_tools: 'Array(Array(String))',
  fact_decision: 'Array(String)',
  fact_deny_reason: 'Array(String)',
  fact_side_effect: 'Array(String)',
  fact_lease: 'Array(String)',
  fact_policies: 'Array(Array(String))',
  fact_decision_id: 'Array(String)',
  fact_outcome: 'Array(String)',
  fact_drift: 'Array(String)',
  reasons: 'String',
  terms: 'Array(String)',
  signature: 'FixedString(64)',
  entry: 'String',
} as const

export const columns = Object.keys(types)
/** The columns as ClickHouse's `input()` is told of them; an Enum8 arrives as its number. */
export const structure = Object.entries(types)
  .map(([name, type]) => `${name} ${type}`)
  .join(', ')

/** Writes rows one after another into a buffer that grows. */
export class RowBinaryWriter {
  #buffer = Buffer.allocUnsafe(1 << 20)
  #at = 0

  /** The bytes written so far, handed over: the writer goes on with an empty buffer. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#at)
    this.#buffer = Buffer.allocUnsafe(1 << 20)
    this.#at = 0
    return taken
  }

  write(row: Row): void {
    this.#text(row.ledger)
    this.#int64(row.seq)
    this.#hex(row.leafHash, 32)
    this.#int64(row.recordedAtMs)
    this.#int64(row.timeMs)
    this.#byte(row.timeFrom === 'event' ? 1 : 2)
    this.#text(row.type)
    this.#text(row.source)
    this.#text(row.eventId)
    this.#text(row.keyId)
    this.#text(row.by)
    this.#text(row.emitterSig)
    this.#text(row.recordSig)
    this.#text(row.principal)
    this.#text(row.session)
    this.#text(row.run)
    this.#facts(row.facts)
    this.#text(row.reasons)
    this.#texts(row.terms)
    this.#fixed(row.signature, 64)
    this.#bytes(row.entry)
  }

  #facts(facts: readonly FactRow[]): void {
    this.#each(facts, 'kind')
    this.#each(facts, 'principal')
    this.#each(facts, 'session')
    this.#each(facts, 'run')
    this.#each(facts, 'server')
    this.#lists(facts, 'tools')
    this.#each(facts, 'decision')
    this.#each(facts, 'denyReason')
    this.#each(facts, 'sideEffect')
    this.#each(facts, 'lease')
    this.#lists(facts, 'policies')
    this.#each(facts, 'decisionId')
    this.#each(facts, 'outcome')
    this.#each(facts, 'drift')
  }

  #each(facts: readonly FactRow[], member: Exclude<keyof FactRow, 'tools' | 'policies'>): void {
    this.#varint(facts.length)
    for (const fact of facts) this.#text(fact[member])
  }

  #lists(facts: readonly FactRow[], member: 'tools' | 'policies'): void {
    this.#varint(facts.length)
    for (const fact of facts) this.#texts(fact[member])
  }

  #texts(texts: readonly string[]): void {
    this.#varint(texts.length)
    for (const text of texts) this.#text(text)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }

  #byte(value: number): void {
    this.#room(1)
    this.#buffer[this.#at++] = value
  }

  /** LEB128, unsigned. */
  #varint(value: number): void {
    this.#room(5)
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#at++] = rest
  }

  #int64(value: number): void {
    this.#room(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.#at = this.#buffer.writeUInt32LE(value - high * 0x1_0000_0000, this.#at)
    this.#at = this.#buffer.writeInt32LE(high, this.#at)
  }

  #text(text: string): void {
    if (text.length > 42) {
      this.#varint(Buffer.byteLength(text))
      this.#room(3 * text.length)
      this.#at += this.#buffer.write(text, this.#at)
      return
    }
    // At most 126 bytes: their number takes one byte, which is filled in afterwards.
    this.#room(1 + 3 * text.length)
    const length = text === '' ? 0 : this.#buffer.write(text, this.#at + 1)
    this.#buffer[this.#at] = length
    this.#at += 1 + length
  }

  #bytes(bytes: Uint8Array): void {
    this.#varint(bytes.length)
    this.#raw(bytes)
  }

  #fixed(bytes: Uint8Array, length: number): void {
    if (bytes.length !== length) throw new RangeError(`a row takes ${length} bytes here`)
    this.#raw(bytes)
  }

  #hex(text: string, length: number): void {
    this.#room(length)
    if (this.#buffer.write(text, this.#at, 'hex') !== length) throw new RangeError(`a row takes ${length} bytes here`)
    this.#at += length
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }
}
