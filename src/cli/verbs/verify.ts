import { writeFileSync } from 'node:fs'
import { Command } from 'commander'
import manifest from '../../../package.json' with { type: 'json' }
import { nodeSuite } from '../../crypto/node.ts'
import type { Finding } from '../../verify/findings.ts'
import type { Policy } from '../../verify/report.ts'
import { verifyLedger } from '../../verify/verify.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { examples, type OutputChoice, outputOption, repeated, whole } from '../options.ts'
import { type Progress, progressOf } from '../progress.ts'
import { jsonLines, jsonReport } from '../report/json.ts'
import { junitReport } from '../report/junit.ts'
import { exitCodeOf, type Outcome, outcomeOf } from '../report/outcome.ts'
import { sarifReport } from '../report/sarif.ts'
import { textReport } from '../report/text.ts'
import { tokenOption } from '../settings.ts'
import { noEntries, type OpenOptions, type OpenSource, openSource, unknownLedger } from '../source/open.ts'
import { painter } from '../terminal.ts'
import { expectedLedgers, ledgerKeysIn, type TrustOptions, trustFor } from '../trust.ts'
import { type JudgePool, judgeOnAllCores } from '../verify-pool.ts'

interface VerifyOptions extends OpenOptions, TrustOptions {
  readonly requireHead?: true
  readonly minEntries?: number
  readonly findingsMax?: number
  readonly identitiesMax?: number
  readonly sequencesMax?: number
  readonly threads?: number
  readonly output?: readonly OutputChoice[]
}

const forms = ['text', 'json', 'jsonl', 'sarif', 'junit'] as const

export function verifyVerb(context: Context): Command {
  const command = new Command('verify')
    .summary('check a ledger, offline or running, against keys you trust')
    .description(
      'Checks every entry of a ledger: its structure, its signature, its place in the chain, and whether it makes sense. SOURCE is ' +
        'a data folder (of a running service, too), an export (.dsse.jsonl), the http address of a service or kafka://HOST:PORT[/PREFIX]. What you trust comes from ' +
        'you: without --keys nothing is verified, and the verdict is INCOMPLETE. From Kafka a topic is read once for the names of its ' +
        'ledgers, and the stretch of each ledger once more.',
    )
    .argument('<source>', 'data folder, export file, http(s) or kafka address')
    .option('--keys <file>', 'ledger keys to trust, as `keys export` prints them; got from somebody you trust')
    .addOption(repeated('--head <seq:hash>', 'a head seen earlier, which must be there: [LEDGER@]SEQ:LEAFHASH'))
    .option('--checkpoint <file>', 'a checkpoint (C2SP tlog-checkpoint) seen earlier, which must be there')
    .option('--receipts <file>', 'receipts that were got for events, whose entries must be there')
    .option('--records <dir>', 'folder of records kept beside the log, looked for there first: an export has none')
    .option('--require-head', 'not met (exit 12) unless a head or checkpoint is pinned')
    .option('--min-entries <n>', 'not met (exit 12) with fewer entries', whole(1))
    .option('--findings-max <n>', 'findings of one code that are told; the rest are counted (1000)', whole(1))
    .option('--identities-max <n>', 'events among which repeated ids are looked for (50 million)', whole(1))
    .option('--sequences-max <n>', 'emitters, and holes in their numbering, that are followed (65536)', whole(0))
    .option('--threads <n>', 'threads that check signatures (all cores)', whole(1, 256))
    .option('--ledger <name>', 'this ledger alone (all that the source has)')
    .addOption(outputOption(forms, 'text'))
    .addHelpText(
      'after',
      `
Verdicts and exit codes:
  0   verified                           10  tampered, or invalid: the first bad seq is named
  11  incomplete: could not decide       12  verified, but not as required
  13  nothing to verify                  1   a crash, never a verdict
${examples(
  ['verify ./data --keys keys.json', 'every ledger of a data folder, while the service runs'],
  ['verify audit.dsse.jsonl --keys keys.json --head 1204:5f0c…', 'an export, against a head that was seen earlier'],
  ['verify http://127.0.0.1:8080 --ledger acme/prod --keys keys.json', 'one ledger of a running service'],
  ['verify kafka://127.0.0.1:9092 --keys keys.json', 'what Kafka holds, without asking the service'],
  ['verify ./data --keys keys.json -o text -o sarif=out.sarif', 'for people, and for a code scanner'],
)}`,
    )
  tokenOption(command)
  return command.action((source: string, options: VerifyOptions) => verify(context, source, options))
}

async function verify(context: Context, source: string, options: VerifyOptions): Promise<void> {
  // What is wrong with the command should be told before a long reading.
  const outputs = options.output ?? [{ form: 'text', file: undefined }]
  checkOutputs(outputs)
  if (options.keys !== undefined) ledgerKeysIn(options.keys)
  const pinned = expectedLedgers(options)
  const startedMs = performance.now()
  const opened = await openSource(source, { ...options, expected: pinned.filter(name => name !== undefined) }, context)
  const pool = judgeOnAllCores(options.threads)
  const progress = progressOf(context, 'verifying', 'entries')
  try {
    // What is pinned is missed in a source that has no ledger at all, too.
    const none = opened.sources.length === 0 && pinned.length > 0
    const ledgers = await verifyAll(none ? [noEntries(unknownLedger)] : opened.sources, options, pool, progress)
    const elapsedMs = performance.now() - startedMs
    progress.end()
    const outcome = outcomeOf({ source: opened.about, ledgers, elapsedMs, version: manifest.version })
    await report(context, outcome, outputs)
    context.exitCode = exitCodeOf[outcome.verdict]
  } finally {
    progress.end()
    await pool.close()
    await opened.close()
  }
}

async function verifyAll(
  sources: readonly OpenSource[],
  options: VerifyOptions,
  pool: JudgePool,
  progress: Progress,
): Promise<Outcome['ledgers']> {
  const names = sources.map(({ ledger }) => ledger)
  const totals = sources.map(({ total }) => total)
  const total = totals.includes(undefined) ? undefined : totals.reduce<number>((sum, one) => sum + (one ?? 0), 0)
  const ledgers: Outcome['ledgers'][number][] = []
  let before = 0
  for (const source of sources) {
    const ledger = await verifyOne(source, names, options, pool, entries => progress.at(before + entries, total))
    ledgers.push(ledger)
    before += ledger.report.entries
  }
  return ledgers
}

async function verifyOne(
  source: OpenSource,
  names: readonly string[],
  options: VerifyOptions,
  judge: JudgePool,
  onProgress: (entries: number) => void,
): Promise<Outcome['ledgers'][number]> {
  const { findingsMax, identitiesMax, sequencesMax, requireHead, minEntries } = options
  const policy: Policy = {
    ...(requireHead && { requireHead }),
    ...(minEntries !== undefined && { entriesMin: minEntries }),
  }
  const run = verifyLedger(source, trustFor(options, source.ledger, names), {
    suite: nodeSuite,
    judge,
    policy,
    onProgress,
    ...(findingsMax !== undefined && { findingsMax }),
    ...(identitiesMax !== undefined && { identitiesMax }),
    ...(sequencesMax !== undefined && { sequencesMax }),
  })
  const findings: Finding[] = []
  for (;;) {
    const step = await run.next()
    if (step.done) return { report: step.value, findings }
    findings.push(step.value)
  }
}

function checkOutputs(outputs: readonly OutputChoice[]): void {
  const toStdout = outputs.filter(({ file }) => file === undefined)
  if (toStdout.length > 1) throw usageError('Two outputs want stdout.', 'Give all but one a file: -o json=report.json.')
}

async function report(context: Context, outcome: Outcome, outputs: readonly OutputChoice[]): Promise<void> {
  for (const { form, file } of outputs) {
    if (file === undefined) await context.out.write(reportAs(form, outcome, context.out.color))
    else writeReport(file, reportAs(form, outcome, false))
  }
}

function reportAs(form: string, outcome: Outcome, color: boolean): string {
  if (form === 'json') return jsonReport(outcome)
  if (form === 'jsonl') return jsonLines(outcome)
  if (form === 'sarif') return sarifReport(outcome)
  if (form === 'junit') return junitReport(outcome)
  return textReport(outcome, painter({ color }))
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw usageError(`${file} can't be written (${(error as NodeJS.ErrnoException).code}).`)
  }
}
