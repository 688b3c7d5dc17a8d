import tab from '@bomb.sh/tab/commander'
import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import type { Context } from './context.ts'
import { examples } from './options.ts'
import { aepVerb } from './verbs/aep.ts'
import { backupVerb } from './verbs/backup.ts'
import { configVerb } from './verbs/config.ts'
import { copyVerb } from './verbs/copy.ts'
import { doctorVerb } from './verbs/doctor.ts'
import { emitVerb } from './verbs/emit.ts'
import { exportVerb } from './verbs/export.ts'
import { inspectVerb } from './verbs/inspect.ts'
import { keysVerb } from './verbs/keys.ts'
import { leasesVerb } from './verbs/leases.ts'
import { queryVerb } from './verbs/query.ts'
import { rebuildVerb } from './verbs/rebuild.ts'
import { serveVerb } from './verbs/serve.ts'
import { tailVerb } from './verbs/tail.ts'
import { tokensVerb } from './verbs/tokens.ts'
import { verifyVerb } from './verbs/verify.ts'

/** The whole command line. `docs/cli.md` is printed from it. */
export function buildProgram(context: Context): Command {
  const program = new Command('aep-ledger')
    .description(
      'A tamper-evident ledger of what AI agents were allowed to do, what they did, and what changed in between.',
    )
    .version(manifest.version, '-V, --version', 'print the version')
    .helpCommand('help [verb]', 'help for a verb')
    .configureHelp({ helpWidth: Math.min(context.out.columns, 110) })
    .addHelpText('after', environment)
  for (const verb of verbs) program.addCommand(verb(context))
  // Adds `completion SHELL`, and the hidden `complete` that its scripts ask.
  tab(program, { completionCommandName: 'completion' })
  const completion = program.commands.find(verb => verb.name() === 'completion')
  completion
    ?.summary('completion for your shell')
    .description('Prints a script that completes verbs and options in your shell.')
  completion?.addHelpText(
    'after',
    examples(['completion bash >> ~/.bashrc', 'for bash; zsh, fish and powershell alike']),
  )
  configure(program, context)
  return program
}

const verbs: readonly ((context: Context) => Command)[] = [
  serveVerb,
  configVerb,
  emitVerb,
  tailVerb,
  queryVerb,
  leasesVerb,
  verifyVerb,
  exportVerb,
  inspectVerb,
  aepVerb,
  keysVerb,
  tokensVerb,
  backupVerb,
  copyVerb,
  rebuildVerb,
  doctorVerb,
]

const environment = `
Environment:
  AEP_LEDGER_URL      address of the service (http://127.0.0.1:8080)
  AEP_LEDGER_TOKEN    bearer token; on this machine data/admin.token serves without it
  AEP_LEDGER_LEDGER   which ledger (default)
  AEP_LEDGER_DATA_DIR data folder, where admin.token is looked for (./data)
  AEP_LEDGER_DEBUG    1 shows where an error comes from
  NO_COLOR            no colours

Exit codes:
  0 done, verified · 2 usage · 10 tampered or invalid · 11 could not decide · 12 valid, but not as required
  13 nothing to verify · 75 try again · 130 cancelled · 1 a crash, never a verdict`

/** What holds for every verb: errors are thrown, output goes where the context says. */
function configure(command: Command, context: Context): void {
  command.exitOverride()
  command.configureOutput({
    writeOut: text => void context.out.write(text),
    writeErr: text => void context.err.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'aep-ledger: ')),
    getOutHasColors: () => context.out.color,
    getErrHasColors: () => context.err.color,
  })
  command.showHelpAfterError(
    `(aep-ledger ${command.name() === 'aep-ledger' ? '' : `${command.name()} `}--help shows what there is)`,
  )
  for (const verb of command.commands) configure(verb, context)
}
