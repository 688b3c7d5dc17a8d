import type { Logger } from 'pino'
import type { EmbeddedLog } from '../log/embedded/log.ts'

const lookMs = 60_000

/**
 * Looks every minute for readers of the log that died without a word, for whom old pages are kept: LMDB looks by itself only
 * when it is opened and, when there are writes, every ten minutes. Returns how to stop.
 */
export function forgetDeadReaders(
  log: Pick<EmbeddedLog, 'clearReaders'>,
  logger: Pick<Logger, 'info'>,
): () => Promise<void> {
  const timer = setInterval(() => {
    const count = log.clearReaders()
    if (count > 0) logger.info({ count }, 'readers of the log that had died were forgotten')
  }, lookMs).unref()
  return async () => clearInterval(timer)
}
