import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sampleStream } from './sample-stream.ts'
import { cliMain, repository, serve } from './serve.ts'

/**
 * `npm run demo`: the story in under a minute, on a throw-away folder: a gateway's day goes in, somebody searches it, a
 * lease runs out, the verifier passes; then one bit of a copy is flipped, and the verifier says where.
 */

const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text)
const dim = (text: string): string => (process.stdout.isTTY ? `\u001b[2m${text}\u001b[0m` : text)
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-demo-'))
const file = (name: string): string => join(dir, name)

interface Ran {
  readonly code: number | null
  readonly out: string
}

/** Runs the CLI as a person would; shows the command and what it prints. */
async function run(url: string, args: readonly string[], quiet = false): Promise<Ran> {
  if (!quiet) say(dim(`\n$ aep-ledger ${args.join(' ').replaceAll(`${dir}/`, '')}`))
  const child = spawn(process.execPath, [cliMain, ...args], {
    cwd: repository,
    env: { ...process.env, AEP_LEDGER_URL: url, AEP_LEDGER_DATA_DIR: file('data') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    if (!quiet) process.stdout.write(text)
  })
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, out }
}

/** Flips one bit of the payload in the middle of an export; returns the seq of the entry it hit. */
function flipOneBit(from: string, to: string): number {
  const lines = readFileSync(from, 'utf8').trimEnd().split('\n')
  const n = Math.floor(lines.length / 2)
  const envelope = JSON.parse(lines[n] ?? '') as { payload: string }
  const bytes = Buffer.from(envelope.payload, 'base64')
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  lines[n] = JSON.stringify({ ...envelope, payload: bytes.toString('base64') })
  writeFileSync(to, `${lines.join('\n')}\n`)
  return n
}

function expectCode(ran: Ran, code: number): void {
  if (ran.code !== code) throw new Error(`the command ended with ${ran.code}, and ${code} was due`)
}

async function story(): Promise<void> {
  say(bold('1. A ledger starts on an empty folder'))
  const serving = await serve(file('data'), { AEP_LEDGER_LOG_LEVEL: 'error' })
  try {
    say(`   ${serving.url}`)
    say(bold('\n2. A gateway sends its day: decisions, leases, approvals, results'))
    const stream = sampleStream({ seed: 7, events: 5000, startMs: Date.now() - 150_000 })
    const events = [...stream]
    writeFileSync(file('day.ndjson'), events.map(event => `${JSON.stringify(event)}\n`).join(''))
    expectCode(await run(serving.url, ['emit', file('day.ndjson')]), 0)

    say(bold('\n3. Somebody asks: what was denied because its input was tainted?'))
    expectCode(
      await run(serving.url, [
        'query',
        '--decision',
        'deny',
        '--deny-reason',
        'tainted-input',
        '--limit',
        '5',
        '-o',
        'table',
      ]),
      0,
    )

    say(bold('\n4. A lease runs out'))
    const used = events.filter(event => event.type === 'aep.lease.used')
    const granted = events.find(
      ({ type, data }) =>
        type === 'aep.lease.granted' &&
        Number(data['max_invocations']) > 1 &&
        used.filter(use => use.data['lease_id'] === data['lease_id']).length === data['max_invocations'],
    )
    const lease = String(granted?.data['lease_id'])
    const uses = used.filter(use => use.data['lease_id'] === lease)
    for (const at of [granted?.time, uses[0]?.time, uses.at(-1)?.time]) {
      expectCode(await run(serving.url, ['leases', lease, '--at', String(at), '-o', 'table']), 0)
    }

    say(bold('\n5. The verifier checks every entry, with the key it was given'))
    writeFileSync(file('keys.json'), (await run(serving.url, ['keys', 'export'], true)).out)
    expectCode(await run(serving.url, ['verify', file('data'), '--keys', file('keys.json')]), 0)

    say(bold('\n6. One bit is flipped in a copy'))
    expectCode(await run(serving.url, ['export', '--file', file('copy.dsse.jsonl')]), 0)
    const seq = flipOneBit(file('copy.dsse.jsonl'), file('flipped.dsse.jsonl'))
    expectCode(await run(serving.url, ['verify', file('flipped.dsse.jsonl'), '--keys', file('keys.json')]), 10)
    say(bold(`\nThe bit was in entry ${seq}. Nobody had to be trusted to find it.`))
  } finally {
    await serving.stop()
  }
}

try {
  await story()
} finally {
  rmSync(dir, { recursive: true, force: true })
}
