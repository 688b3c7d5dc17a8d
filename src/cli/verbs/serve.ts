import { Command } from 'commander'
import type { Context } from '../context.ts'
import { CliError, exitCodes } from '../exit.ts'
import { examples, whole } from '../options.ts'
import { painter } from '../terminal.ts'
import { configOf } from './config.ts'

interface ServeOptions {
  readonly host?: string
  readonly port?: number
  readonly dataDir?: string
}

export function serveVerb(context: Context): Command {
  return new Command('serve')
    .summary('run the ledger on this machine')
    .description(
      'Runs the whole service in this process, its data in one folder. The first start makes a signing key, the ledger `default` and ' +
        'an admin token. Everything is configured by AEP_LEDGER_… variables; Ctrl-C or SIGTERM ends it in order.',
    )
    .option('--host <host>', 'address to listen on (AEP_LEDGER_HOST; 127.0.0.1)')
    .option('--port <port>', 'port to listen on, 0 for a free one (AEP_LEDGER_PORT; 8080)', whole(0, 65_535))
    .option('--data-dir <dir>', 'data folder (AEP_LEDGER_DATA_DIR; ./data)')
    .addHelpText(
      'after',
      examples(
        ['serve', 'on 127.0.0.1:8080, data in ./data'],
        ['serve --port 9000 --data-dir /var/lib/aep-ledger', 'elsewhere'],
      ),
    )
    .action((options: ServeOptions) => serve(context, options))
}

/** How long an end in order may take. Whoever supervises the process has a limit too, and most set a shorter one. */
const endMsMax = 60_000

async function serve(context: Context, options: ServeOptions): Promise<void> {
  const env = {
    ...context.env,
    ...(options.host !== undefined && { AEP_LEDGER_HOST: options.host }),
    ...(options.port !== undefined && { AEP_LEDGER_PORT: String(options.port) }),
    ...(options.dataDir !== undefined && { AEP_LEDGER_DATA_DIR: options.dataDir }),
  }
  const config = await configOf(context, env)
  const { startService } = await import('../../service/start.ts')
  const { KeyFileUnusable } = await import('../../service/key-files.ts')
  const { OriginDiffers } = await import('../../service/first-start.ts')
  const service = await startService(config).catch(error => {
    if (error instanceof KeyFileUnusable || error instanceof OriginDiffers)
      throw new CliError(exitCodes.usage, error.message, undefined, error)
    throw listenError(error)
  })
  context.patienceMs = endMsMax
  const paint = painter(context.err)
  await context.err.line(`${paint('green', 'aep-ledger')} listens on ${paint('bold', service.url)}`)
  if (service.adminToken !== undefined) {
    await context.err.line(
      `The admin token is in ${service.adminToken}; aep-ledger on this machine finds it by itself.`,
    )
  }
  await new Promise<void>(resolve => {
    if (context.cancelled.aborted) resolve()
    context.cancelled.addEventListener('abort', () => resolve(), { once: true })
  })
  await context.err.line('Stopping: what was taken is finished first.')
  await service.close()
}

/** What kept the service from its address, as people are told it. */
function listenError(error: unknown): unknown {
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException
  if (syscall !== 'listen' && syscall !== 'bind' && syscall !== 'getaddrinfo') return error
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: 'Another process has the port: --port 0 takes a free one.',
    EACCES: 'This user may not take the port: --port names another.',
  }
  return new CliError(
    exitCodes.usage,
    `${(error as Error).message}.`,
    hints[code] ?? 'Name an address of this machine: --host.',
    error,
  )
}
