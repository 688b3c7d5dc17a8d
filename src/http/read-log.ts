import { Fault } from '../base/fault.ts'
import { readEntry } from '../ledger/decode.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import { entryEnvelope } from '../ledger/signature.ts'
import type { LogReader } from '../log/port.ts'
import type { Kit } from './kit.ts'

/** The log as text that flows: lines of an export, events of a stream. Memory: one read, `chunkBytesMax`. */

export interface SeqRange {
  readonly ledger: string
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

const chunkEntriesMax = 256
const chunkBytesMax = 1024 * 1024

/**
 * Entries of `range` as DSSE envelopes, one a line. Throws, and so breaks the answer off, when the log ends too soon or
 * `signal` aborts: half an export must not pass for a whole one.
 */
export async function* exportLines(log: LogReader, range: SeqRange, signal: AbortSignal): AsyncGenerator<string> {
  for (let from = range.from; from < range.to; ) {
    if (signal.aborted) throw new Fault('shutting-down', 'The export was cut off.')
    const found = await readChunk(log, range, from)
    if (found.length === 0) throw new Fault('log-unavailable', `The log of ${range.ledger} has no seq ${from}.`)
    yield found.map(stored => `${envelopeText(stored)}\n`).join('')
    from += found.length
  }
}

/**
 * Entries of `range` as server-sent events as they come, until `signal` aborts or the token of the caller ends. A comment
 * goes out first, so that the head of the answer does too, and then whenever nothing else did for `heartbeatMs`.
 */
export async function* followEvents(
  kit: Kit,
  range: SeqRange,
  signal: AbortSignal,
  isAllowed: () => boolean,
): AsyncGenerator<string> {
  const { log, limits } = kit.ports
  yield ': following\n\n'
  let quietMs = 0
  for (let from = range.from; from < range.to && !signal.aborted && isAllowed(); ) {
    // Listening begins before the read, so that what is appended in between is not slept over.
    const waiting = new AbortController()
    const grown = kit.streams.grown(range.ledger, limits.followPollMs, AbortSignal.any([signal, waiting.signal]))
    const found = await readChunk(log, range, from)
    if (found.length > 0) {
      waiting.abort()
      quietMs = 0
      yield found.map(stored => `id: ${stored.seq}\nevent: entry\ndata: ${envelopeText(stored)}\n\n`).join('')
      from += found.length
    } else {
      await grown
      quietMs += limits.followPollMs
      if (quietMs >= limits.heartbeatMs) {
        quietMs = 0
        yield ': still here\n\n'
      }
    }
  }
}

const readChunk = (log: LogReader, { ledger, to }: SeqRange, from: number): Promise<readonly StoredEntry[]> =>
  log.read(ledger, from, Math.min(chunkEntriesMax, to - from), chunkBytesMax)

const envelopeText = (stored: StoredEntry): string =>
  JSON.stringify(entryEnvelope(stored, readEntry(stored.bytes).key_id))
