import { Fault, faults } from '../base/fault.ts'
import { KafkaRefused } from '../log/kafka/access.ts'
import { LogInUse, LogUnreadable, NotWritten } from '../log/port.ts'
import { CliError, type ExitCode, exitCodes } from './exit.ts'

/** An error as people are told it: what went wrong, what to do about it, and what the process ends with. */
export interface Told {
  readonly message: string
  readonly hint: string | undefined
  readonly exitCode: ExitCode
}

/** What an error comes to. Only what nobody outside this program can help is called a defect. */
export function told(error: unknown): Told {
  if (error instanceof CliError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Fault) {
    const { hint, retry } = faults[error.code]
    return { message, hint, exitCode: retry ? exitCodes.tryAgain : exitCodes.usage }
  }
  if (error instanceof LogInUse) {
    return { message, hint: 'Stop that process, or use another data folder.', exitCode: exitCodes.tryAgain }
  }
  if (error instanceof NotWritten && (error.reason === 'full' || error.reason === 'read-only')) {
    // The message says what to do already.
    return { message, hint: undefined, exitCode: error.reason === 'full' ? exitCodes.tryAgain : exitCodes.usage }
  }
  if (error instanceof KafkaRefused) return { message, hint: undefined, exitCode: exitCodes.usage }
  if (error instanceof LogUnreadable || error instanceof NotWritten) {
    return { message, hint: 'aep-ledger doctor looks at the folder.', exitCode: exitCodes.undecided }
  }
  const hint = 'This is a defect of aep-ledger; AEP_LEDGER_DEBUG=1 shows where it comes from.'
  return fileTrouble(error) ?? { message, hint, exitCode: exitCodes.crash }
}

const elsewhere = 'Name another path.'
const permit = 'Give this user the permission, or name another path.'
const makeRoom = 'Make room, and try again.'

/** What an operating system says of a path: what that means, and what to do. */
const troubles: Readonly<Record<string, readonly [means: string, hint: string]>> = {
  ENOENT: ['is not there', elsewhere],
  ENOTDIR: ['is no folder, or lies below a file', elsewhere],
  EEXIST: ['is there already, and is no folder', elsewhere],
  EISDIR: ['is a folder, and a file is wanted', elsewhere],
  ENAMETOOLONG: ['has too long a name', elsewhere],
  ELOOP: ['is a link that leads in circles', elsewhere],
  EACCES: ['is not for this user', permit],
  EPERM: ['is not for this user', permit],
  EROFS: ['is on a disk that is read-only', permit],
  ENOSPC: ['is on a disk that is full', makeRoom],
  EDQUOT: ['is on a disk that is full for this user', makeRoom],
}

/** An error of the file system, which is the person's own to mend; `undefined` for any other. */
function fileTrouble(error: unknown): Told | undefined {
  if (!(error instanceof Error)) return undefined
  const { code = '', syscall, path, dest } = error as NodeJS.ErrnoException & { readonly dest?: string }
  const trouble = Object.hasOwn(troubles, code) ? troubles[code] : undefined
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  // A write names no path.
  if (trouble === undefined || syscall === undefined || (path === undefined && !isFull)) return undefined
  const [means, hint] = trouble
  const message = `${dest ?? path ?? 'What is written'} ${means} (${code}, ${syscall}).`
  return { message, hint, exitCode: isFull ? exitCodes.tryAgain : exitCodes.usage }
}
