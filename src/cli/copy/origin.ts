import { originIn } from '../../ledger/origin.ts'
import type { OpenSource } from '../source/open.ts'

/** The name of the installation that the first ledger which tells came from. */
export async function firstOrigin(sources: readonly OpenSource[]): Promise<string | undefined> {
  for (const source of sources) {
    for await (const [first] of source.entries(0)) {
      const origin = first && originIn(first.bytes, source.ledger)
      if (origin !== undefined) return origin
      break
    }
  }
  return undefined
}
