import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crashRounds } from './crash.ts'

/** `npm run crash -- --rounds 200 --seed 1`: the long form of the crash test. */
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-crash-'))
try {
  const report = await crashRounds(dir, Number(values.rounds), Number(values.seed), line =>
    process.stdout.write(`${line}\n`),
  )
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  process.exitCode = report.faults.length === 0 ? 0 : 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
