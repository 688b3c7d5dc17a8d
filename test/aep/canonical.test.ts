import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { canonicalText, referenceCanonicalText } from '../../src/aep/canonical.ts'
import { type Json, parseJson } from '../../src/aep/json.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { conformanceLines, conformanceSkip } from '../support/conformance.ts'

const parse = (text: string): Json => JSON.parse(text)

/** JSON that RFC 8785 has a form for: well-formed strings, finite numbers. */
const json = fc
  .jsonValue({ noUnicodeString: false })
  .filter(value => JSON.stringify(value).isWellFormed()) as fc.Arbitrary<Json>

/** The same value with every object's members in the other order. */
function reversed(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  )
}

describe('the reference form', () => {
  it('sorts by UTF-16 code units, index names first and by number', () => {
    assert.equal(
      referenceCanonicalText(parse('{"b":1,"10":2,"2":3,"a":4,"1":5,"01":6}')),
      '{"1":5,"2":3,"10":2,"01":6,"a":4,"b":1}',
    )
    assert.equal(
      referenceCanonicalText(parse('{"4294967294":1,"4294967295":2,"999":4,"A":5,"-1":6}')),
      '{"999":4,"4294967294":1,"-1":6,"4294967295":2,"A":5}',
    )
    assert.equal(
      referenceCanonicalText(parse('{"\uff21":1,"\ud83d\ude00":2,"a":3,"":4}')),
      '{"":4,"a":3,"\ud83d\ude00":2,"\uff21":1}',
    )
  })
  it('writes numbers as ECMAScript does, and those that are none as null', () => {
    assert.equal(
      referenceCanonicalText(parse('[-0,1.0,1e21,1e-7,0.10,1e400,-1e400]')),
      '[0,1,1e+21,1e-7,0.1,null,null]',
    )
  })
  it('escapes lone surrogates and control characters, and nothing else', () => {
    assert.equal(
      referenceCanonicalText(parse('["\\uD83D\\u0001\\u007f\\u2028/\\/\\"é\\ud83d\\ude00"]')),
      '["\\ud83d\\u0001\u007f\u2028//\\"é\ud83d\ude00"]',
    )
  })
  it('leaves __proto__ out, wherever it stands', () => {
    assert.equal(
      referenceCanonicalText(parse('{"a":[{"__proto__":{"b":2},"c":{"__proto__":5}}],"toJSON":"x"}')),
      '{"a":[{"c":{}}],"toJSON":"x"}',
    )
  })
  it('says the same of a value in whatever order, and again of itself', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }) as fc.Arbitrary<Json>, value => {
        const text = referenceCanonicalText(value)
        assert.equal(referenceCanonicalText(reversed(value)), text)
        assert.equal(referenceCanonicalText(parse(text)), text)
      }),
      { numRuns: 500, seed: 5030598 },
    )
  })
  it('is RFC 8785 but for index names', () => {
    fc.assert(
      fc.property(json, value => {
        if (/"(?:0|[1-9]\d*)":/.test(JSON.stringify(value))) return
        if (JSON.stringify(value).includes('"__proto__"')) return
        assert.equal(referenceCanonicalText(value), canonicalText(value))
      }),
      { numRuns: 500, seed: 8785 },
    )
  })
})

describe('the RFC 8785 form', () => {
  it('is that of RFC 8785 section 3.2.2', () => {
    const text =
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    assert.equal(
      canonicalText(parse(text)),
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })
  it('is what the library writes, whatever the names and their order, and leaves the value as it was', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a', 'B', '10', '9', '__proto__', 'é', '\u{1f600}', '\uffff'),
    )
    const { value: any } = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null), fc.constant('\\ud800')),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(name, tie('value'), { maxKeys: 6 }),
      ),
    }))
    const written = (write: (value: Json) => string | undefined, value: Json): string | undefined => {
      try {
        return write(value)
      } catch {
        return undefined
      }
    }
    fc.assert(
      fc.property(any as fc.Arbitrary<Json>, value => {
        const before = JSON.stringify(value)
        assert.equal(written(canonicalText, value), written(canonicalize, value))
        assert.equal(JSON.stringify(value), before)
      }),
      { numRuns: 3000, seed: 8785 },
    )
  })
  it('is that of values deeper than the quick way goes', () => {
    const deep = `${'{"b":1,"a":['.repeat(150)}${']}'.repeat(150)}`
    assert.equal(canonicalText(parse(deep)), canonicalize(parse(deep)))
  })
  it('sorts index names like any others', () => {
    assert.equal(canonicalText(parse('{"!":1,"0":2,"-":3,"10":4,"9":5}')), '{"!":1,"-":3,"0":2,"10":4,"9":5}')
  })
  it('does not exist for a lone surrogate or an infinity', () => {
    assert.throws(() => canonicalText(parse('"\\ud800"')))
    assert.throws(() => canonicalText(parse('{"\\ud800":1}')))
    assert.throws(() => canonicalText(parse('[1e400]')))
  })
  it('exists, and reads back as the value, for whatever the parser takes', () => {
    fc.assert(
      fc.property(json, value => {
        const parsed = parseJson(JSON.stringify(value))
        if (!parsed.ok) return
        const text = canonicalText(parsed.value)
        assert.deepEqual(parseJson(text), { ok: true, value: JSON.parse(text) })
        assert.equal(canonicalText(parse(text)), text)
        assert.equal(canonicalText(reversed(parsed.value)), text)
      }),
      { numRuns: 500, seed: 8785 },
    )
  })
})

describe('the conformance vectors of canonical form', { skip: conformanceSkip }, () => {
  const lines = conformanceSkip ? [] : (conformanceLines('vectors/canonicalization.jsonl') as CanonicalLine[])
  it('are there', () => assert.ok(lines.length > 0))
  it('have our reference form, byte for byte', () => {
    for (const { id, input, canonical } of lines) {
      const text = referenceCanonicalText(parse(input.text))
      assert.equal(text, canonical.utf8, id)
      assert.equal(utf8(text).length, canonical.bytes, id)
      assert.equal(Buffer.from(nodeSuite.sha256(utf8(text))).toString('hex'), canonical.sha256, id)
    }
  })
  it('have our RFC 8785 form, where there is one', () => {
    let compared = 0
    for (const { id, input, canonical, rfc8785_utf8_same: same, rfc8785_utf8: other } of lines) {
      const parsed = parseJson(input.text)
      if (!parsed.ok) continue
      compared++
      assert.equal(canonicalText(parsed.value), same ? canonical.utf8 : other, id)
    }
    assert.ok(compared > 0)
  })
})

interface CanonicalLine {
  readonly id: string
  readonly input: { readonly text: string }
  readonly canonical: { readonly utf8: string; readonly bytes: number; readonly sha256: string }
  readonly rfc8785_utf8_same: boolean
  readonly rfc8785_utf8?: string
}
