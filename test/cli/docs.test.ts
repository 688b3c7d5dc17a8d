import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { generatedCli } from '../../infra/generate-cli-docs.ts'
import { exitCodes } from '../../src/cli/exit.ts'
import { exitCodeOf } from '../../src/cli/report/outcome.ts'

const root = new URL('../../', import.meta.url)

describe('the pages on the command line and on verification', () => {
  for (const [path, text] of generatedCli()) {
    it(`stand in ${path} as infra/generate-cli-docs.ts writes them`, () => {
      assert.equal(readFileSync(new URL(path, root), 'utf8'), text)
    })
  }

  it('name every exit code', () => {
    const cli = readFileSync(new URL('docs/cli.md', root), 'utf8')
    for (const code of Object.values(exitCodes)) assert.match(cli, new RegExp(`\\b${code}\\b`))
    const verify = readFileSync(new URL('docs/verify.md', root), 'utf8')
    for (const code of Object.values(exitCodeOf)) assert.match(verify, new RegExp(`\\| ${code} \\|`))
  })
})
