import { acceptEvent } from '../aep/event/accept.ts'
import { parseJson } from '../aep/json.ts'
import { LineUnreadable, wasmagentEvent, wasmagentSource } from '../aep/wasmagent.ts'
import { textOf } from '../base/bytes.ts'
import { nodeSuite } from '../crypto/node.ts'

/** What a line of input is to the service: an event to send, or why it is none. */
export type EmitLine = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string }

export const emitFormats = ['cloudevents', 'wasmagent'] as const
export type EmitFormat = (typeof emitFormats)[number]

/**
 * Reads lines of a format, one after the other. An event is checked here by the code that the service checks it with, so
 * that a refusal names its line; what is sent is the line as it came.
 */
export function lineReader(format: EmitFormat): (bytes: Uint8Array) => EmitLine {
  if (format === 'cloudevents') return cloudEvent
  let source: string | undefined
  return bytes => {
    const line = textOf(bytes)
    if (line === undefined) return { ok: false, why: 'it is not UTF-8' }
    source ??= wasmagentSource(line, nodeSuite)
    try {
      return { ok: true, text: JSON.stringify(wasmagentEvent(line, { source }, nodeSuite)) }
    } catch (error) {
      if (error instanceof LineUnreadable) return { ok: false, why: error.message }
      throw error
    }
  }
}

function cloudEvent(bytes: Uint8Array): EmitLine {
  const parsed = parseJson(bytes)
  if (!parsed.ok)
    return { ok: false, why: listed(parsed.problems.map(({ pointer, detail }) => `${pointer} ${detail}`.trim())) }
  const accepted = acceptEvent(parsed.value)
  if (!accepted.ok)
    return { ok: false, why: listed(accepted.errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim())) }
  const text = textOf(bytes)
  return text === undefined ? { ok: false, why: 'it is not UTF-8' } : { ok: true, text }
}

/** The first few of many. */
function listed(all: readonly string[]): string {
  const first = all.slice(0, 4).join('; ')
  return all.length > 4 ? `${first}; and ${all.length - 4} more` : first
}
