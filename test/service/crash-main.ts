import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crashRounds } from './crash.ts'

/** `npm run crash -- --rounds 200 --seed 1 [--search]`: the long form of the crash test; with `--search`, ClickHouse beside it. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    search: { type: 'boolean', default: false },
  },
})
const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-crash-'))
try {
  const plan = { rounds: Number(values.rounds), seed: Number(values.seed), search: values.search }
  const report = await crashRounds(dir, plan, line => process.stdout.write(`${line}\n`))
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  process.exitCode = report.faults.length === 0 ? 0 : 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
