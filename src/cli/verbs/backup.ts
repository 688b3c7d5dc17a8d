import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { openEmbeddedReader } from '../../log/embedded/open.ts'
import type { Context } from '../context.ts'
import { usageError } from '../exit.ts'
import { checkEmpty } from '../new-folder.ts'
import { examples } from '../options.ts'
import { dataDirOf } from '../settings.ts'

export function backupVerb(context: Context): Command {
  return new Command('backup')
    .summary('copy a data folder while the service runs')
    .description(
      'Copies the ledgers, the signing keys, the origin and the admin token of a data folder into a new one, while the service runs. ' +
        'The copy ends with an entry that was durable when it was made. It holds private keys: keep it as you keep keys.',
    )
    .argument('<folder>', 'new or empty folder for the copy')
    .option('--data-dir <dir>', 'data folder (AEP_LEDGER_DATA_DIR; ./data)')
    .addHelpText(
      'after',
      examples(
        ['backup ./backup-2026-11-23', 'of ./data'],
        ['verify ./backup-2026-11-23 --keys keys.json', 'a backup is a data folder'],
      ),
    )
    .action((folder: string, options: { readonly dataDir?: string }) => makeBackup(context, folder, options))
}

async function makeBackup(context: Context, folder: string, options: { readonly dataDir?: string }): Promise<void> {
  const dir = options.dataDir ?? dataDirOf(context.env)
  checkEmpty(folder)
  if (!existsSync(join(dir, 'log'))) throw usageError(`${dir} is no data folder.`, 'Name one with --data-dir.')
  const reader = await openEmbeddedReader(dir)
  try {
    const { copyFolder } = await import('../../service/backup.ts')
    await copyFolder(reader, dir, folder)
    const ledgers = await reader.ledgers()
    await context.err.line(`${ledgers.length} ledger${ledgers.length === 1 ? '' : 's'} and the keys are in ${folder}.`)
  } finally {
    await reader.close()
  }
}
