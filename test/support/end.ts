import { after } from 'node:test'

/**
 * Loaded into every test process. One that has nothing left to test and doesn't end holds something open: a log, a broker, a timer. It is
 * ended here and its file fails, with what it held; without this the whole run would wait for it for ever.
 */
const PATIENCE_MS = 30_000

// only in the processes that run a file: the runner itself loads this too
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  after(() => {
    setTimeout(() => {
      process.stderr.write(
        `every test is done, and the process does not end: ${process.getActiveResourcesInfo().join(' ')}\n`,
      )
      process.exit(1)
    }, PATIENCE_MS).unref()
  })
}
