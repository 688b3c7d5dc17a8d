import { SingleBar } from 'cli-progress'
import type { Context } from './context.ts'
import { counted } from './terminal.ts'

/** How far something is, on stderr, where a person waits for it. */
export interface Progress {
  /** `total` may become known, or grow, on the way. */
  at(done: number, total?: number): void
  /** Takes the bar away. */
  end(): void
}

const patienceMs = 1000

/**
 * Progress of what counts `unit`s. It shows itself only at a terminal, and only when the work takes more than a second, so
 * that nothing flickers past and nothing stands in a log.
 */
export function progressOf(context: Context, what: string, unit: string): Progress {
  if (!context.err.isTty) return { at: () => undefined, end: () => undefined }
  const startedMs = performance.now()
  let bar: SingleBar | undefined
  const begin = (total: number | undefined): SingleBar => {
    const known = total !== undefined && total > 0
    const format = known
      ? `${what} {bar} {percentage}%  {told} ${unit}  {rate}/s  {eta_formatted} left`
      : `${what} {told} ${unit}  {rate}/s`
    const begun = new SingleBar({
      format,
      barsize: 24,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      hideCursor: true,
      fps: 8,
      stream: process.stderr,
    })
    begun.start(total ?? 0, 0, { told: '0', rate: '0' })
    return begun
  }
  const end = () => {
    bar?.stop()
    bar = undefined
  }
  context.cancelled.addEventListener('abort', end, { once: true })
  return {
    at(done, total) {
      const elapsedMs = performance.now() - startedMs
      if (elapsedMs < patienceMs || context.cancelled.aborted) return
      bar ??= begin(total)
      if (total !== undefined) bar.setTotal(total)
      const rate = counted(Math.round((1000 * done) / elapsedMs))
      bar.update(done, { told: counted(done), rate })
    },
    end,
  }
}
