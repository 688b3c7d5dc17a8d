import { startEngine } from '../../src/query/engine.ts'

/** A service to be killed: starts an engine on a folder, says the engine's process id, and stays. */
const engine = await startEngine({ dir: process.argv[2] ?? '' })
await engine.ready
process.stdout.write(`${engine.pid}\n`)
setInterval(() => {}, 1_000)
