import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { repository } from '../../infra/serve.ts'

const program = `console.log((await import(${JSON.stringify(join(repository, 'test/infra/engines.ts'))})).noKafka)`

/** What a machine without Java makes of the tests of Kafka. */
const without = (env: Readonly<Record<string, string>>) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    env: { PATH: '', JAVA_HOME: '/nowhere', ...env },
  })

describe('a machine without Java', () => {
  it('skips the tests of Kafka, and says why', async () => {
    assert.match((await without({})).stdout, /^no Kafka here: \/nowhere\/bin\/java does not run/)
  })
  it('fails them where CI asks for all engines', async () => {
    await assert.rejects(without({ ENGINES: 'required' }), /no Kafka here: \/nowhere\/bin\/java does not run/)
  })
})
