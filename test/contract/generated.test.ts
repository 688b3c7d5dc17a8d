import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { generated } from '../../infra/generate-docs.ts'
import { faults } from '../../src/base/fault.ts'
import { eventBytesMaxOf } from '../../src/contract/ingest.ts'
import { openapi } from '../../src/contract/openapi.ts'
import { faultsOf, type Operation, operations } from '../../src/contract/operations.ts'
import { entryBytesMax } from '../../src/ledger/entry.ts'

const root = new URL('../../', import.meta.url)
const documentOf = () => JSON.parse(JSON.stringify(openapi('0.0.0')))

describe('what is generated', () => {
  for (const [path, text] of generated()) {
    it(`stands in ${path} as npm run generate writes it`, () => {
      assert.equal(readFileSync(new URL(path, root), 'utf8'), text)
    })
  }
})

describe('the page of faults', () => {
  const page = readFileSync(new URL('docs/faults.md', root), 'utf8')
  const named = [...page.matchAll(/^\| `([a-z-]+)` +\| (\d{3}) +\|/gm)].map(([, code, status]) => `${code} ${status}`)

  it('names every fault of the table with its status, and no other', () => {
    assert.deepEqual(
      named,
      Object.entries(faults).map(([code, { status }]) => `${code} ${status}`),
    )
  })
})

describe('the page on HTTP', () => {
  it('names the size that an event may have', () => {
    const bytesMax = eventBytesMaxOf(entryBytesMax).toLocaleString('en-US')
    assert.ok(readFileSync(new URL('docs/http.md', root), 'utf8').includes(`at most ${bytesMax} bytes`), bytesMax)
  })
})

describe('OpenAPI', () => {
  it('has every operation, with every status that it may answer and no other', () => {
    const { paths } = documentOf()
    for (const [id, operation] of Object.entries<Operation>(operations)) {
      const found = paths[operation.path]?.[operation.method.toLowerCase()]
      assert.equal(found?.operationId, id)
      const statuses = [
        ...Object.keys(operation.answers),
        ...faultsOf(operation).map(code => String(faults[code].status)),
      ]
      assert.deepEqual(Object.keys(found.responses).sort(), [...new Set(statuses)].sort())
    }
    const count = Object.values<object>(paths).flatMap(path => Object.keys(path)).length
    assert.equal(count, Object.keys(operations).length)
  })

  it('refers to nothing that it does not hold, and holds nothing that it does not refer to', () => {
    const document = documentOf()
    const text = JSON.stringify(document)
    const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name))
    assert.deepEqual([...used].sort(), Object.keys(document.components.schemas).sort())
    assert.ok(!text.includes('#/$defs/'))
  })

  it('describes events as they are: every type that emitters send, unknown members refused', () => {
    const { schemas } = documentOf().components
    assert.equal(schemas.DecisionEvent.additionalProperties, false)
    assert.deepEqual(schemas.LeaseGrantedEvent.properties.type, { type: 'string', const: 'aep.lease.granted' })
    assert.equal(schemas.Event.anyOf.length, 13)
  })

  it('asks for a token everywhere but where none is needed', () => {
    for (const path of Object.values<Record<string, { security?: unknown; tags: string[] }>>(documentOf().paths)) {
      for (const { security, tags } of Object.values(path)) {
        assert.deepEqual(security, tags[0] === 'public' ? [] : undefined)
      }
    }
  })
})
