import { Command } from 'commander'
import type { Config } from '../../service/config.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { examples } from '../options.ts'

export function configVerb(context: Context): Command {
  return new Command('config')
    .summary('print the configuration in force')
    .description(
      'Prints every AEP_LEDGER_… setting of `serve` as it would be in force now, secrets hidden; all that is wrong with any is said at once.',
    )
    .addHelpText('after', examples(['config', 'what serve would run with']))
    .action(async () => {
      const { describeConfig } = await import('../../service/config.ts')
      await context.out.line(describeConfig(await configOf(context, context.env)).join('\n'))
    })
}

/** The configuration that `env` holds; what is odd about it is said, what is wrong ends the verb. */
export async function configOf(context: Context, env: Context['env']): Promise<Config> {
  const { loadConfig } = await import('../../service/config.ts')
  const loaded = loadConfig(env)
  if (!loaded.ok) throw usageError(`The configuration does not fit:\n  ${loaded.errors.join('\n  ')}`)
  for (const warning of loaded.warnings) await context.err.line(`aep-ledger: ${warning}`)
  return loaded.config
}
