import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { repository, type Serving, serve } from '../infra/serve.ts'

/** The README is a promise: what it tells a newcomer to type is run here as it stands, against a service of its own. */

const readme = readFileSync(join(repository, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(match => match[1] ?? '')

describe('the README', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-readme-'))
  let serving: Serving
  before(async () => {
    serving = await serve(join(dir, 'data'), { AEP_LEDGER_LOG_LEVEL: 'error' })
  })
  after(async () => {
    await serving.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Runs a block in the repository, with the folder and the address of this test's service in the place of the default. */
  async function shell(block: string): Promise<{ code: number | null; out: string; err: string }> {
    const script = block
      .replaceAll('http://127.0.0.1:8080', serving.url)
      .replaceAll('./data', join(dir, 'data'))
      .replaceAll('data/admin.token', join(dir, 'data/admin.token'))
      .replaceAll('keys.json', join(dir, 'keys.json'))
    const env = { ...process.env, AEP_LEDGER_URL: serving.url, AEP_LEDGER_DATA_DIR: join(dir, 'data') }
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: repository,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    return { code: await new Promise(resolve => child.on('close', resolve)), out, err }
  }

  const blockWith = (words: string): string => {
    const block = blocks.find(text => text.includes(words))
    assert.ok(block !== undefined, `no block says ${words}`)
    return block
  }

  it('has first lines that emit, search, ask a lease and verify', async () => {
    const { code, out, err } = await shell(blockWith('first-events.ndjson'))
    assert.equal(code, 0, out + err)
    assert.match(out, /send_mail/)
    assert.match(out, /lease-7f3a/)
    assert.match(out, /verified/i)
  })

  it('has a smallest event that is taken', async () => {
    const { code, out, err } = await shell(blockWith('curl'))
    assert.equal(code, 0, err)
    assert.equal((JSON.parse(out) as { items: { status: string }[] }).items[0]?.status, 'created')
  })

  it('names only scripts, files and pages that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    for (const [, name = ''] of readme.matchAll(/npm run (?:-s )?([a-z:-]+)/g)) assert.ok(name in scripts, name)
    for (const [, path = ''] of readme.matchAll(/\]\(((?:docs|examples)\/[^)#]*)\)/g))
      assert.ok(existsSync(join(repository, path)), path)
  })
})
