import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { copiedFrom, instructionsOf } from '../../infra/lint/dockerfile.ts'
import { freePorts } from '../../infra/ports.ts'
import { repository } from '../../infra/serve.ts'

/** The image without a container: what the Dockerfile copies and installs, laid out in a folder and started from there. */

const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8')
const restOf = (name: string): string =>
  instructionsOf(dockerfile).findLast(instruction => instruction.name === name)?.rest ?? ''
const wordsOf = (text: string): readonly string[] => JSON.parse(text.slice(text.indexOf('['))) as string[]

/** Lays out `/app`: the copied files, and of the packages those alone that `npm ci --omit=dev` leaves. */
function layOut(app: string): void {
  for (const path of copiedFrom(dockerfile)) {
    cpSync(join(repository, path), join(app, path), { recursive: true })
  }
  const lock = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (!/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || dev || optional) continue
    mkdirSync(dirname(join(app, path)), { recursive: true })
    symlinkSync(join(repository, path), join(app, path))
  }
}

describe('the image', () => {
  const root = mkdtempSync(join(tmpdir(), 'aep-image-'))
  const app = join(root, 'app')
  let child: ChildProcess
  let env: NodeJS.ProcessEnv
  let said = ''

  before(async () => {
    layOut(app)
    const [port] = await freePorts(1)
    env = {
      ...{ PATH: process.env['PATH'], HOME: root, NODE_ENV: 'production' },
      ...{ AEP_LEDGER_PORT: String(port), AEP_LEDGER_DATA_DIR: join(root, 'data'), AEP_LEDGER_SEARCH: 'off' },
    }
    const [, ...entry] = wordsOf(restOf('ENTRYPOINT'))
    child = spawn(process.execPath, [...entry, ...wordsOf(restOf('CMD'))], { cwd: app, env, stdio: 'pipe' })
    const ready = new Promise<void>((resolve, reject) => {
      const hear = (text: string): void => {
        said += text
        if (said.includes('listens on')) resolve()
      }
      child.stdout?.setEncoding('utf8').on('data', hear)
      child.stderr?.setEncoding('utf8').on('data', hear)
      child.on('exit', code => reject(new Error(`it ended with ${code}: ${said}`)))
    })
    await ready
  })
  after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(root, { recursive: true, force: true })
  })

  const check = (more: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const [, ...args] = wordsOf(restOf('HEALTHCHECK'))
    return promisify(execFile)(process.execPath, args, { env: { ...env, ...more } })
  }

  it('has all that the service needs, and answers its own health check', async () => {
    await check()
  })
  it('is found ill where nobody answers', async () => {
    const [port] = await freePorts(1)
    await assert.rejects(check({ AEP_LEDGER_PORT: String(port) }))
  })
  it('ends in order on its stop signal', async () => {
    child.kill(restOf('STOPSIGNAL') as NodeJS.Signals)
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, 0, said)
  })
})
