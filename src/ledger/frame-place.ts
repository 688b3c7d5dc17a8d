import { emitterSigVerdicts, encodeEntry, recordSigVerdicts, type Seq, zeroHash } from './entry.ts'

/** Finds the frame of an entry, and with it the end of its event, from behind: without reading what the event says. */

/** How the frame begins behind the event. None of its members can hold a quote, so its last place in a text is the one. */
const frameStart = ',"intake":{"by":"'
const eventStart = '{"event":'

const shortest = <Text extends string>([first, ...others]: readonly [Text, ...Text[]]): Text =>
  others.reduce((least, text) => (text.length < least.length ? text : least), first)

/** Characters of the shortest frame. All of a frame is ASCII: its bytes as well. */
const frameLengthMin =
  encodeEntry(
    {
      ...{
        ledger: 'l',
        seq: 0 as Seq,
        prev: zeroHash,
        recorded_at: '2026-01-01T00:00:00.000Z',
        key_id: '0'.repeat(32),
      },
      intake: { by: 'b', emitter_sig: shortest(emitterSigVerdicts), record_sig: shortest(recordSigVerdicts) },
    },
    '',
  ).length - eventStart.length

/** Where the frame begins in the text of an entry, or in the end of one; -1 where there is none. */
export const frameIndex = (text: string): number =>
  text.length < frameLengthMin ? -1 : text.lastIndexOf(frameStart, text.length - frameLengthMin)

/** The same in bytes, of an entry that was found to be sound: the only brace that opens in a frame says where. */
export function frameIndexIn(bytes: Uint8Array): number {
  let at = bytes.length - frameLengthMin + braceAt
  while (at > braceAt && bytes[at] !== openBrace) at -= 1
  return at - braceAt
}

const openBrace = 0x7b
const quote = 0x22
const braceAt = frameStart.indexOf('{')

/**
 * Whether the type of the event begins with one of `names`, in the bytes of an entry that was found to be sound. A name
 * with a quote at its end is the whole type. RFC 8785 puts `type` last in an event, for none of its members sorts later.
 */
export function isEventOf(bytes: Uint8Array, names: readonly Uint8Array[]): boolean {
  let from = frameIndexIn(bytes) - 2
  while (from > 0 && bytes[from - 1] !== quote) from -= 1
  return names.some(name => startsAt(bytes, from, name))
}

function startsAt(bytes: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let n = 0; n < name.length; n++) if (bytes[from + n] !== name[n]) return false
  return true
}
