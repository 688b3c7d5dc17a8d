import { workerData } from 'node:worker_threads'
import { DataType, load, open } from 'ffi-rs'
import { type Confinement, confine } from './sandbox.ts'

/** What `child.ts` has the engine do. */
export interface EngineRun {
  /** File of libchdb. */
  readonly library: string
  /** Arguments of `clickhouse local`, its own name first. They stay in memory: no other process can list them. */
  readonly args: readonly string[]
  readonly confinement: Confinement
}

/**
 * The thread that the engine runs in: confines itself, then calls the library's `main` of `clickhouse local`, which
 * returns only when it has failed. Threads that the engine starts inherit the confinement.
 */
const { library, args, confinement } = workerData as EngineRun
open({ library: 'chdb', path: library })
if (!confine(confinement)) process.stderr.write('not confined: this kernel has no Landlock\n')
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.Void,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, [...args]],
})
// Here the engine has failed and said why. To unload its library takes seconds and ends in a crash.
process.kill(process.pid, 'SIGKILL')
