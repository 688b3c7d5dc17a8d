import type { Verdict } from '../../verify/report.ts'
import type { ExitCode } from '../exit.ts'
import { verdictWords } from '../report/text.ts'
import { counted, type Paint, plural, shown } from '../terminal.ts'
import type { Parting } from './compare.ts'
import type { LedgerCopy } from './ledger.ts'
import type { Place } from './places.ts'

export interface LedgerResult extends LedgerCopy {
  /** Where the copy, read back, is not the source. */
  readonly parting?: Parting
  /** The installation's name, as the first entry has it. */
  readonly origin?: string
}

export interface CopyResult {
  readonly source: Place
  readonly target: Place
  readonly dataDir: string | undefined
  readonly verdict: Verdict
  readonly exitCode: ExitCode
  readonly elapsedMs: number
  readonly ledgers: readonly LedgerResult[]
  /** Token records that were copied; `undefined` where nobody asked for them. */
  readonly tokens: number | undefined
  /** The installation's name, as the target has it. */
  readonly named: string | undefined
}

export const copyJson = (result: CopyResult): string =>
  `${JSON.stringify(
    {
      source: result.source.about,
      target: result.target.about,
      verdict: result.verdict,
      exit_code: result.exitCode,
      elapsed_ms: Math.round(result.elapsedMs),
      tokens: result.tokens ?? null,
      origin: result.named ?? null,
      ledgers: result.ledgers.map(ledgerJson),
    },
    null,
    2,
  )}\n`

const ledgerJson = (it: LedgerResult) => ({
  ledger: it.ledger,
  verdict: it.verdict,
  already: it.already,
  copied: it.copied,
  records: it.records,
  head: it.head.seq < 0 ? null : { seq: it.head.seq, leaf_hash: it.head.leafHash, recorded_at: it.head.recordedAt },
  same_as_source: it.parting === undefined,
  differs_at: it.parting ?? null,
  stopped_at:
    it.stopped === undefined ? null : { seq: it.stopped.seq ?? null, code: it.stopped.code, cause: it.stopped.cause },
  origin: it.origin ?? null,
})

/** The outcome for people: each ledger, what stopped it, and what is to be done before the copy is used. */
export function copyText(result: CopyResult, paint: Paint): string {
  const { verdict, ledgers, source, target } = result
  const copied = ledgers.reduce((sum, ledger) => sum + ledger.copied, 0)
  const [word, style] = verdictWords[verdict]
  const told = [plural(ledgers.length, 'ledger'), `${plural(copied, 'entry', 'entries')} copied`]
  const lines = [
    `${paint(style, paint('bold', word))}  ${source.about} -> ${target.about}  ${paint('dim', told.join(' · '))}`,
  ]
  for (const ledger of ledgers) lines.push(...ledgerLines(ledger, source.about, paint))
  if (verdict === 'incomplete' && ledgers.every(({ stopped }) => stopped === undefined)) {
    lines.push('', '  All is copied. Who signed it was not checked against keys that you trust: give them with --keys.')
  }
  return `${[...lines, ...nextLines(result, paint)].join('\n')}\n`
}

function ledgerLines(it: LedgerResult, source: string, paint: Paint): string[] {
  const { ledger, verdict, already, copied, records, head, stopped, parting } = it
  const [word, style] = verdictWords[verdict]
  const parts = [`${counted(copied)} copied`, already > 0 && `${counted(already)} were there`]
  const more = records > 0 && plural(records, 'record')
  const told = [...parts, more].filter(part => part !== false).join(', ')
  const lines = ['', `${paint('bold', ledger)}  ${paint(style, word)}  ${paint('dim', told)}`]
  if (stopped !== undefined) {
    const place = stopped.seq === undefined ? '' : `seq ${stopped.seq}  `
    lines.push(`  ${place}${paint('red', stopped.code)}  ${shown(stopped.cause)}`)
    lines.push(
      paint('cyan', `  -> What comes before is copied. aep-ledger verify ${source} tells all there is to say.`),
    )
  }
  if (parting !== undefined) lines.push(`  ${paint('red', 'The copy is not the source:')} ${partingText(parting)}`)
  else if (head.seq >= 0) lines.push(`  Read back: the same to seq ${head.seq} (leaf hash ${head.leafHash}).`)
  return lines
}

const partingText = ({ seq, what }: Parting): string =>
  ({
    entry: `another entry stands at seq ${seq}.`,
    'source-ends': `it goes on at seq ${seq}, where the source ends.`,
    'target-ends': `seq ${seq} is missing.`,
    record: `the record that seq ${seq} names is missing, or changed.`,
    head: `its store names seq ${seq} as its head, and another entry is last.`,
  })[what]

/** What a copy lacks to be a service's log: said once, where there is a whole copy. */
function nextLines(result: CopyResult, paint: Paint): string[] {
  const { source, target, dataDir, verdict, ledgers, tokens } = result
  if (verdict === 'tampered' || !ledgers.some(({ head }) => head.seq >= 0)) return []
  const dir = target.kind === 'folder' ? target.about : (dataDir ?? 'DATA_DIR')
  const keysFrom = source.kind === 'folder' ? source.about : 'DATA_DIR'
  const kafka =
    target.kind === 'kafka'
      ? ` AEP_LEDGER_KAFKA_BROKERS=${target.access.brokers.join()} AEP_LEDGER_KAFKA_PREFIX=${target.prefix}`
      : ''
  return [
    '',
    `${paint('bold', 'Before a service takes the copy over:')}`,
    '  1. End the service of the source for good, and run this again: two that sign one ledger make two histories of it.',
    `  2. The signing keys do not come along: cp -a ${keysFrom}/keys ${dir}/keys`,
    tokens === undefined
      ? '  3. Tokens did not come along: --tokens copies them, or make new ones.'
      : `  3. ${plural(tokens, 'token')} came along, and hold in the copy, too.`,
    ...startLines(result, `AEP_LEDGER_DATA_DIR=${dir}${kafka}`),
  ]
}

/** How it is started, and under which name. */
function startLines({ ledgers, named }: CopyResult, place: string): string[] {
  const origins = [...new Set(ledgers.flatMap(({ origin }) => origin ?? []))]
  const [origin] = origins
  if (origins.every(one => one === named)) {
    const name = named === undefined ? '' : ` The copy keeps the name of the installation, ${named}.`
    return [`  4. Start it.${name}`, `     ${place} npm start`]
  }
  const called = named === undefined ? 'has no name' : `is called ${named}`
  return [
    `  4. Start it under the name that its ledgers are to have from now on. The target ${called}; they come from ${origins.join(', ')}.`,
    `     ${place} AEP_LEDGER_ORIGIN=${origin} npm start`,
  ]
}
