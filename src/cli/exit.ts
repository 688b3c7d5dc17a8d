/** Exit codes: what scripts and CI read. The same number always means the same. */
export const exitCodes = {
  /** Done; of `verify`: verified. */
  ok: 0,
  /** A defect of ours: never a verdict. */
  crash: 1,
  /** The command line, a file or an address is not as it should be; nothing was judged. */
  usage: 2,
  /** Tampered with or invalid: something that was judged does not hold, or was refused. */
  invalid: 10,
  /** Could not decide. */
  undecided: 11,
  /** Valid, but what was required is not met. */
  policyUnmet: 12,
  /** There was nothing to verify. */
  nothing: 13,
  /** Try again: nobody answers, the service has too much to do, or a disk is full. */
  tryAgain: 75,
  /** Cancelled by Ctrl-C. */
  cancelled: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Something that the person at the keyboard can do something about. */
export class CliError extends Error {
  readonly exitCode: ExitCode
  /** What to do about it. */
  readonly hint: string | undefined

  constructor(exitCode: ExitCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CliError'
    this.exitCode = exitCode
    this.hint = hint
  }
}

export const usageError = (message: string, hint?: string): CliError => new CliError(exitCodes.usage, message, hint)
