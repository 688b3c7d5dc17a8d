import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { repository } from '../infra/serve.ts'

/** An un-awaited append is the worst bug this project can have: the check that finds it is shown one. */

function complaintsOf(code: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-lint-'))
  try {
    copyFileSync(join(repository, '.oxlintrc.json'), join(dir, '.oxlintrc.json'))
    writeFileSync(
      join(dir, 'tsconfig.json'),
      '{"compilerOptions":{"strict":true,"target":"es2022"},"include":["*.ts"]}',
    )
    writeFileSync(join(dir, 'planted.ts'), code)
    const { stdout, stderr, status } = spawnSync(
      join(repository, 'node_modules/.bin/oxlint'),
      ['--type-aware', 'planted.ts'],
      { cwd: dir, encoding: 'utf8' },
    )
    assert.ok(status === 0 || status === 1, stdout + stderr)
    return status === 0 ? '' : stdout
  } finally {
    rmSync(dir, { recursive: true })
  }
}

const log = 'export const log = { append: async (n: number): Promise<void> => { if (n < 0) throw new Error() } }\n'

describe('the check for promises that nobody awaits', () => {
  it('finds an append that is not awaited', () => {
    assert.match(
      complaintsOf(`${log}export async function f(): Promise<void> { log.append(1) }\n`),
      /no-floating-promises/,
    )
  })
  it('finds a promise where a condition is due', () => {
    assert.match(
      complaintsOf(`${log}export function f(): number { return log.append(1) ? 1 : 2 }\n`),
      /no-misused-promises/,
    )
  })
  it('lets an awaited one be', () => {
    assert.equal(complaintsOf(`${log}export async function f(): Promise<void> { await log.append(1) }\n`), '')
  })
})
