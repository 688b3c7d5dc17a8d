const unwanted = 'TimeoutNegativeWarning'

/**
 * Keeps one warning of Node 24 off the terminal: kafkajs sets a timer to a moment long past after every answer, which does no
 * harm and can't be switched off. Every other warning is told as before.
 */
export function quietTimers(): void {
  const { emitWarning } = process
  process.emitWarning = (...said: unknown[]): void => {
    const [, kind] = said
    const type = typeof kind === 'object' && kind !== null ? (kind as { readonly type?: unknown }).type : kind
    if (type !== unwanted) Reflect.apply(emitWarning, process, said)
  }
}
