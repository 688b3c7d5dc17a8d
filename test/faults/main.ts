import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { whole } from '../../infra/arguments.ts'
import { faultRun, type Recovery } from './run.ts'

const help = `npm run faults -- [--count N] [--seed S] [--minutes M] [--recovery-ms MS] [--only KIND] [--keep]

Does N faults to three real brokers and several processes of the service under load, and checks after each that nothing
acknowledged is lost, doubled or moved, and that every partition takes events again. Ends with 1 when anything is found.

  --count N         faults (300)
  --seed S          the schedule (1)
  --minutes M       begins no fault later than that; Ctrl-C has the same effect, and all is checked then
  --recovery-ms MS  how long a partition may take no events (30000)
  --only KIND       faults of this kind alone, as the figures name it: 'broker stopped'
  --keep            leaves the folder, with the logs of all processes; after a finding it always is
`

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '600' },
    'recovery-ms': { type: 'string', default: '30000' },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

function at(share: number, sorted: readonly number[]): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

/** A line a kind of fault, and one for all. */
function* figures(recoveries: readonly Recovery[]): Generator<string> {
  const all = 'all'
  for (const kind of [...new Set(recoveries.map(({ kind }) => kind))].sort().concat(all)) {
    const sorted = recoveries.filter(one => kind === all || one.kind === kind).map(({ ms }) => ms)
    sorted.sort((a, b) => a - b)
    yield `${kind}: ${sorted.length}, p50 ${at(0.5, sorted)} ms, p99 ${at(0.99, sorted)} ms, max ${at(1, sorted)} ms`
  }
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(help)
  const startedMs = performance.now()
  const untilMs = startedMs + 60_000 * whole('--minutes', values.minutes, 1, 10_000)
  let isEnough = false
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => (isEnough = true))
  const plan = {
    count: whole('--count', values.count, 1, 100_000),
    seed: whole('--seed', values.seed, 0, 2 ** 32 - 1),
    recoveryMsMax: whole('--recovery-ms', values['recovery-ms'], 1_000, 600_000),
    only: values.only,
    isEnough: () => isEnough || performance.now() > untilMs,
  }
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-faults-'))
  const print = (line: string): void =>
    void process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)}  ${line}\n`)
  print(`seed ${plan.seed}, ${plan.count} faults, in ${dir}`)
  let isKept = true
  try {
    const { recoveries, findings, ...counts } = await faultRun(dir, plan, print)
    print('from the fault until every partition took a new event:')
    for (const line of figures(recoveries)) print(`  ${line}`)
    for (const finding of findings) print(`FINDING ${finding}`)
    print(`seed ${plan.seed}: ${JSON.stringify({ ...counts, findings: findings.length })}`)
    isKept = values.keep || findings.length > 0
    process.exitCode = findings.length === 0 ? 0 : 1
  } finally {
    if (isKept) print(`what there is stays in ${dir}`)
    else rmSync(dir, { recursive: true, force: true })
  }
}

await main()
