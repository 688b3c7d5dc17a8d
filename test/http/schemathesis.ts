import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { addressOf } from './support/follow.ts'
import { adminToken, makeWorld } from './support/world.ts'

/**
 * Lets schemathesis loose on the service, over a socket, by its own OpenAPI: no answer may be a failure of the service,
 * nor of a status, media type or shape that is not documented. Needs Python and, the first time, its package index.
 *
 *     npm run fuzz:http [-- --max-examples 200 --seed 1 …]     AEP_SCHEMATHESIS: a `st` that is there already
 */

const version = '4.32.5'
/**
 * All checks but three. What the schema cannot say, the service still refuses (a cursor of another query, an id that is
 * taken), so that not every generated request is accepted; and what a schema forbids may be read all the same where HTTP
 * itself is lenient (a header that is not asked for). Neither is a fault of an answer.
 */
const excluded = 'positive_data_acceptance,negative_data_rejection,missing_required_header'

const folder = await mkdtemp(join(tmpdir(), 'aep-ledger-fuzz-'))
const world = await makeWorld({ ratePerSecond: 1e6, rateBurst: 1e6 })
try {
  const st = installed(folder)
  const location = await describeWorld()
  const options = process.argv.slice(2)
  // Once with any name of a ledger, where most are unknown, and once with the one that there is.
  const codes = [await fuzz(st, location, options)]
  await writeFile(join(folder, 'schemathesis.toml'), '[parameters]\n"path.ledger" = "default"\n')
  codes.push(await fuzz(st, location, options))
  process.exitCode = Math.max(...codes)
} finally {
  await world.close()
  await rm(folder, { recursive: true, force: true })
}

function installed(into: string): string {
  const given = process.env['AEP_SCHEMATHESIS']
  if (given !== undefined && existsSync(given)) return given
  execFileSync('python3', ['-m', 'venv', into])
  execFileSync(join(into, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${version}`], { stdio: 'inherit' })
  return join(into, 'bin', 'st')
}

/** Something to be found, and the address of the description. */
async function describeWorld(): Promise<string> {
  const events = Array.from({ length: 20 }, (_, n) => anEvent({ id: `seed${n}` }))
  await ask(world.app, { method: 'POST', url: eventsUrl, body: events })
  const { host, port } = await addressOf(world.app)
  return `http://${host}:${port}/openapi.json`
}

async function fuzz(st: string, location: string, more: readonly string[]): Promise<number> {
  const options = ['--header', `Authorization: Bearer ${adminToken}`, '--checks', 'all', '--exclude-checks', excluded]
  const child = spawn(st, ['run', location, ...options, '--request-timeout', '10', '--no-color', ...more], {
    cwd: folder,
    stdio: 'inherit',
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
