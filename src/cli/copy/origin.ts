import { readEntry } from '../../ledger/decode.ts'
import type { SourceEntry } from '../../verify/port.ts'
import type { OpenSource } from '../source/open.ts'

/** The name of the installation that made a ledger, which its first entry has before the ledger's own. */
export function originIn(first: SourceEntry, ledger: string): string | undefined {
  try {
    const { event } = readEntry(first.bytes)
    if (event.type !== 'aep.ledger.created') return undefined
    const end = `/${ledger}`
    return event.data.origin.endsWith(end) ? event.data.origin.slice(0, -end.length) : undefined
  } catch {
    // Whether it holds is for the verifier to say.
    return undefined
  }
}

/** That of the first ledger which tells. */
export async function firstOrigin(sources: readonly OpenSource[]): Promise<string | undefined> {
  for (const source of sources) {
    for await (const [first] of source.entries(0)) {
      const origin = first && originIn(first, source.ledger)
      if (origin !== undefined) return origin
      break
    }
  }
  return undefined
}
