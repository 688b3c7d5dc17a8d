import { CommanderError } from 'commander'
import type { Context } from './context.ts'
import { type ExitCode, exitCodes } from './exit.ts'
import { buildProgram } from './program.ts'
import { Output, painter } from './terminal.ts'
import { told } from './told.ts'
import { dashed } from './verbs/query.ts'

/** The process around the verbs: what they throw becomes a sentence and an exit code here. */

const cancel = new AbortController()
const context: Context = {
  env: process.env,
  out: new Output(process.stdout, process.env),
  err: new Output(process.stderr, process.env),
  stdin: process.stdin,
  cancelled: cancel.signal,
  patienceMs: 5_000,
  exitCode: exitCodes.ok,
}

/** A signal so soon after the first is the same: Ctrl-C reaches a process by its terminal and once more by `npm run`. */
const sameSignalMs = 500
let cancelledAtMs = 0

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const nowMs = performance.now()
    if (cancel.signal.aborted) {
      if (nowMs - cancelledAtMs > sameSignalMs) process.exit(exitCodes.cancelled)
      return
    }
    cancelledAtMs = nowMs
    cancel.abort()
    setTimeout(() => process.exit(exitCodes.cancelled), context.patienceMs).unref()
  })
}
process.on('uncaughtException', error => void end(error))
process.on('unhandledRejection', error => void end(error))

/** Runs the command line of this process, and ends it. */
export async function run(): Promise<void> {
  try {
    await buildProgram(context).parseAsync(process.argv.map(dashed))
    await finish(context.exitCode)
  } catch (error) {
    await end(error)
  }
}

async function end(error: unknown): Promise<void> {
  await finish(await explain(error))
}

/** Ends the process when all output is out; a verb's forgotten timer or socket does not keep it. */
async function finish(exitCode: ExitCode): Promise<void> {
  await Promise.all([context.out.flush(), context.err.flush()])
  process.exit(exitCode)
}

/** Says what went wrong and what to do, and which exit code that is. */
async function explain(error: unknown): Promise<ExitCode> {
  if (cancel.signal.aborted) return exitCodes.cancelled
  if (error instanceof CommanderError) {
    // Help and version were asked for; everything else commander has said already.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  const { message, hint, exitCode } = told(error)
  const paint = painter(context.err)
  await context.err.line(`${paint('red', 'aep-ledger:')} ${message}`)
  if (hint !== undefined) await context.err.line(`  ${hint}`)
  if ((context.env['AEP_LEDGER_DEBUG'] ?? '') !== '' && error instanceof Error) await context.err.line(`${error.stack}`)
  return exitCode
}
