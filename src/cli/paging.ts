import type { Context } from './context.ts'
import { painter } from './terminal.ts'

/** What lists of the service say about themselves. */
export interface Extent {
  readonly as_of: number
  readonly complete: boolean
  readonly next: string | null
}

/** Says on stderr how far an answer reaches, and how to get what follows. */
export async function sayHowFar({ err }: Context, { as_of, complete, next }: Extent): Promise<void> {
  const paint = painter(err)
  const extent = complete ? `complete up to seq ${as_of}` : `known up to seq ${as_of}; newer entries may be missing`
  await err.line(paint(complete ? 'dim' : 'yellow', extent))
  if (next !== null) await err.line(paint('dim', `more: --cursor ${next}, or --all`))
}
