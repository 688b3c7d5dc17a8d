import { fromBase64 } from '../base/bytes.ts'
import type { Checkpoint } from './port.ts'

/**
 * The checkpoint in a C2SP tlog-checkpoint, which is a signed note whose text is
 *
 *     origin "\n" size in decimal "\n" root hash in base64 "\n" (extension "\n")*
 *
 * and whose signatures follow a blank line; `undefined` for any other text and for the empty tree, which proves nothing.
 * Signatures are not looked at here: whoever passes a checkpoint as trust vouches for it.
 */
export function parseCheckpoint(note: string): Checkpoint | undefined {
  const [text = ''] = note.split('\n\n', 1)
  const [origin, size, root] = text.split('\n')
  if (!origin || size === undefined || root === undefined || !/^[1-9]\d{0,14}$/.test(size)) return undefined
  const rootHash = fromBase64(root)
  return rootHash?.length === 32 ? { origin, size: Number(size), rootHash } : undefined
}
