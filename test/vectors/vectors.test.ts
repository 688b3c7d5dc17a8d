import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type ConformanceStep, isRight, judgeFolder } from '../../src/aep/conformance.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { portableSuite } from '../../src/crypto/portable.ts'
import { fileIn } from '../support/conformance.ts'
import { vectorFolder } from './folder.ts'

const own = new URL('own/', import.meta.url)
const items = (steps: Iterable<ConformanceStep>) => [...steps].filter(step => step.kind === 'item')

describe('the project’s own vectors', () => {
  it('are what their generator makes, byte for byte', () => {
    const made = vectorFolder()
    const stored = readdirSync(own, { recursive: true, encoding: 'utf8' }).filter(path => path.includes('.'))
    assert.deepEqual(stored.map(path => path.replaceAll('\\', '/')).sort(), [...made.keys()].sort())
    for (const [path, text] of made) assert.equal(readFileSync(new URL(path, own), 'utf8'), text, path)
  })

  for (const [name, suite] of [
    ['node', nodeSuite],
    ['portable', portableSuite],
  ] as const) {
    it(`come out as they say under the ${name} suite`, () => {
      const steps = [...judgeFolder(path => fileIn(own, path), suite)]
      assert.deepEqual(
        steps.filter(({ kind }) => kind === 'skipped'),
        [],
      )
      let judged = 0
      for (const { item, expected } of items(steps)) {
        judged++
        if (!expected) assert.equal(item.verdict, 'accept', item.id)
        else {
          assert.ok(isRight(item, expected), JSON.stringify([item, expected]))
          // Of our own vectors all is known: nothing else may be found about what is accepted.
          if (item.verdict === 'accept')
            assert.deepEqual([...item.findings].sort(), [...expected.findings].sort(), item.id)
        }
      }
      assert.ok(judged > 80)
    })
  }
})
