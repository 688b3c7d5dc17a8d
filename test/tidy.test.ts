import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { checkImports, checkLength, checkPurity, checkWords, fileLinesMax } from './support/tidy.ts'

const root = new URL('../', import.meta.url)

function files(folder: string): { path: string; text: string }[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter(path => /\.tsx?$/.test(path))
    .map(path => ({ path, text: readFileSync(new URL(`${folder}/${path}`, root), 'utf8') }))
}

const src = files('src')
const rest = [...files('test'), ...files('infra')].filter(({ path }) => !/(^|\/)tidy(\.test)?\.ts$/.test(path))

describe('the house', () => {
  it('has its source in rooms', () => assert.ok(src.length > 10))
  it('imports as the table allows', () =>
    assert.deepEqual(
      src.flatMap(({ path, text }) => [...checkImports(path, text)]),
      [],
    ))
  it('keeps pure rooms pure', () =>
    assert.deepEqual(
      src.flatMap(({ path, text }) => [...checkPurity(path, text)]),
      [],
    ))
  it('keeps files short', () =>
    assert.deepEqual(
      [...src, ...rest].flatMap(({ path, text }) => [...checkLength(path, text)]),
      [],
    ))
  it('leaves nothing lying about', () =>
    assert.deepEqual(
      [...src, ...rest].flatMap(({ path, text }) => [...checkWords(path, text)]),
      [],
    ))
})

describe('the tidy rules', () => {
  const caught = (complaints: Iterable<string>): number => [...complaints].length
  it('catch a room that reaches too far', () => {
    assert.equal(caught(checkImports('ledger/x.ts', `import { a } from '../log/port.ts'`)), 1)
    assert.equal(caught(checkImports('http/x.ts', `import type { A } from '../log/port.ts'`)), 0)
    assert.equal(caught(checkImports('http/x.ts', `import { a } from '../log/embedded/open.ts'`)), 1)
    assert.equal(caught(checkImports('aep/x.ts', `import {\n  a,\n} from 'lodash'`)), 1)
    assert.equal(caught(checkImports('ledger/x.ts', `const a = await import('fastify')`)), 1)
    assert.equal(caught(checkImports('verify/x.ts', `import { nodeSuite } from '../crypto/node.ts'`)), 1)
    assert.equal(caught(checkImports('attic/x.ts', '')), 1)
    assert.equal(caught(checkImports('base/x.ts', `export * from '../aep/json.ts'`)), 1)
    assert.equal(caught(checkImports('log/kafka/x.ts', `import { a } from './kafkajs-writer.ts'`)), 1)
    assert.equal(caught(checkImports('log/kafka/x.ts', `import kafkajs from 'kafkajs'`)), 1)
    assert.equal(caught(checkImports('log/kafka/connect.ts', `export { a } from './kafkajs.ts'`)), 0)
  })
  it('catch a clock, a random number or Node in a pure room, but not in a comment', () => {
    for (const text of [
      'Date.now()',
      'Math.random()',
      'Buffer.from(a)',
      `import 'node:fs'`,
      'new Date()',
      'setTimeout(f)',
    ]) {
      assert.equal(caught(checkPurity('aep/x.ts', text)), 1, text)
      assert.equal(caught(checkPurity('service/x.ts', text)), 0, text)
    }
    assert.equal(caught(checkPurity('aep/x.ts', '/* Date.now() */ // Buffer')), 0)
  })
  it('catch a file that goes on and on', () => {
    assert.equal(caught(checkLength('aep/x.ts', 'a\n'.repeat(fileLinesMax + 1))), 1)
    assert.equal(caught(checkLength('aep/x.ts', 'a\n'.repeat(fileLinesMax))), 0)
  })
  it('catch leftovers, lone tests and silenced errors', () => {
    for (const text of ['// TODO later', 'it.only(', '// @ts-ignore']) {
      assert.equal(caught(checkWords('x.ts', text)), 1, text)
    }
  })
})
