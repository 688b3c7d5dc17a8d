import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { importsOf } from './support/tidy.ts'

/** Everything that a module pulls in: its files, and the packages that they name. */
function closureOf(entry: string): { readonly files: Set<string>; readonly packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (url: URL): void => {
    if (files.has(url.href)) return
    files.add(url.href)
    for (const specifier of importsOf(readFileSync(url, 'utf8'))) {
      if (specifier.startsWith('.')) visit(new URL(specifier, url))
      else packages.add(specifier)
    }
  }
  visit(new URL(`../${entry}`, import.meta.url))
  return { files, packages }
}

describe('what runs in somebody else’s process stays lean', () => {
  it('the verifier needs two small libraries, and no Node', () => {
    const { files, packages } = closureOf('src/verify/verify.ts')
    assert.ok(files.size > 20, 'the closure was walked')
    assert.deepEqual([...packages].sort(), ['canonicalize', 'zod'])
  })
  it('so does the judge of AEP records', () => {
    assert.deepEqual([...closureOf('src/aep/record/judge.ts').packages].sort(), ['canonicalize', 'zod'])
  })
  it('the portable crypto needs @noble alone', () => {
    for (const name of closureOf('src/crypto/portable.ts').packages) assert.match(name, /^@noble\//)
  })
  it('is a test that can fail: the service is not lean', () => {
    assert.ok(closureOf('src/service/start.ts').packages.has('pino'))
  })
})
