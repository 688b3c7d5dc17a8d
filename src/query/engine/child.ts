import { constants, setPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import { siblingUrl } from './sibling.ts'
import type { EngineRun } from './worker.ts'

/**
 * The child process: one thread that runs the engine, and this one, which ends the process as soon as the parent is gone.
 * The engine has no orderly end (its `main` hangs when asked to return), and needs none: what it acknowledged is in files.
 */
const [parentPid, run] = process.argv.slice(2)
const end = (): void => void process.kill(process.pid, 'SIGKILL')

// The parent holds the other end of stdin and never writes: an end of it is the parent's, however it died.
process.stdin.on('end', end).on('error', end).resume()
// Should anyone else have inherited that end, the orphan still has another parent now.
setInterval(() => process.ppid !== Number(parentPid) && end(), 1_000)

// Ingest comes first: the engine gets what the machine has left. Before the threads, which inherit it.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
const worker = new Worker(siblingUrl('worker', import.meta.url), { workerData: JSON.parse(run ?? '') as EngineRun })
worker.on('error', error => {
  process.stderr.write(`${error.message}\n`, end)
})
worker.on('exit', end)
