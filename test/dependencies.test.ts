import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const manifest: { dependencies: Record<string, string>; devDependencies: Record<string, string> } = JSON.parse(
  read('package.json'),
)
const all = { ...manifest.dependencies, ...manifest.devDependencies }

describe('dependencies', () => {
  it('each have their reason in docs/dependencies.md, and none stands there that is gone', () => {
    const rows = read('docs/dependencies.md')
      .split('\n')
      .filter(line => /^\| `/.test(line))
    const named = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(match => match[1]))
    assert.deepEqual(named.sort(), Object.keys(all).sort())
  })
  it('are pinned to exact versions', () => {
    for (const [name, version] of Object.entries(all)) assert.match(version, /^\d+\.\d+\.\d+$/, name)
  })
  it('are locked without a download address', () => {
    assert.doesNotMatch(read('package-lock.json'), /"resolved"/)
  })
})
