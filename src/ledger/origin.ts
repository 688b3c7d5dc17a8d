import { readEntry } from './decode.ts'

/** The name of the installation that made a ledger, which its first entry, these bytes, has before the ledger's own. */
export function originIn(first: Uint8Array, ledger: string): string | undefined {
  try {
    const { event } = readEntry(first)
    if (event.type !== 'aep.ledger.created') return undefined
    const end = `/${ledger}`
    return event.data.origin.endsWith(end) ? event.data.origin.slice(0, -end.length) : undefined
  } catch {
    // Whether it holds is for the verifier to say.
    return undefined
  }
}
