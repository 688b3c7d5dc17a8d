import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalText } from '../../src/aep/canonical.ts'
import { type Json, type JsonLimits, memberText, parseJson } from '../../src/aep/json.ts'
import { utf8 } from '../../src/base/bytes.ts'

const value = (text: string | Uint8Array, limits?: Partial<JsonLimits>): Json => {
  const parsed = parseJson(text, limits)
  return parsed.ok ? parsed.value : assert.fail(JSON.stringify(parsed.problems))
}
const reasons = (text: string | Uint8Array, limits?: Partial<JsonLimits>): string[] => {
  const parsed = parseJson(text, limits)
  return parsed.ok ? [] : parsed.problems.map(({ reason }) => reason)
}
const reading = (text: string): Json | undefined => {
  const parsed = parseJson(text)
  return parsed.ok ? parsed.value : parsed.reading
}

describe('a JSON text', () => {
  it('is read as JSON.parse reads it', () => {
    for (const text of [
      '{}',
      '[]',
      ' { "a" : [ 1 , -2.5e3 , true , false , null , "x" ] }\r\n\t',
      '"\\u0041\\n\\"\\\\\\/\\b\\f\\r\\t\\u00e9\\ud83d\\ude00"',
      '[0,-0,0.10,1e2,1E+2,100e-2,0.1e1,9007199254740992,1e20,5e-324,0e999999]',
      '{"":1,"a":{"":{}},"constructor":2,"toString":3,"hasOwnProperty":4}',
      '{"10":1,"9":2,"a":3}',
    ]) {
      assert.deepEqual(value(text), JSON.parse(text), text)
      assert.deepEqual(value(utf8(text)), JSON.parse(text), text)
    }
  })

  it('is read as JSON.parse reads it, whatever I-JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.integer({ min: 0, max: 3 }), (json, indent) => {
        const text = JSON.stringify(json, null, indent)
        const keep = { loneSurrogates: 'keep' } as const
        if (text.includes('"__proto__"')) return
        assert.deepEqual(value(text, keep), JSON.parse(text))
      }),
      { numRuns: 500, seed: 7493 },
    )
  })

  it('is refused just when JSON.parse refuses it, but for what I-JSON adds', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'u00',
      '1',
      '-',
      '.',
      'e',
      '0',
      'true',
      'nul',
      ' ',
      'a',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const text = pieces.join('')
        assert.equal(reasons(text).includes('not-json'), !isJson(text), text)
      }),
      { numRuns: 5000, seed: 8259 },
    )
  })

  it('is not JSON when it breaks the grammar', () => {
    for (const text of [
      '',
      ' ',
      'nul',
      'nulls',
      'NaN',
      'Infinity',
      'undefined',
      '01',
      '-',
      '+1',
      '.5',
      '1.',
      '1e',
      '1e+',
      '0x1',
      '1 2',
      '{}{}',
      '{"a":1,}',
      '[1,]',
      '[,1]',
      '{"a" 1}',
      '{a:1}',
      "{'a':1}",
      '{"a":1 "b":2}',
      '{"a":}',
      '{"a":1x"b":2}',
      '{xa":1}',
      '{"a"x1}',
      '[1x2]',
      '{"a":1}}',
      '{"a"',
      '{',
      '[',
      '[1',
      '"',
      '"a',
      '"\\x"',
      '"\\u12g4"',
      '"\\u123"',
      '"\n"',
      '"\u0000"',
      '// x\n1',
      '1 // x',
      '/* x */1',
      '\u00a01',
      '\ufeff',
    ]) {
      assert.ok(reasons(text).includes('not-json'), JSON.stringify(text))
      assert.equal(isJson(text), false, JSON.stringify(text))
    }
  })
})

describe('what I-JSON adds', () => {
  it('refuses a name said twice, however it is spelled', () => {
    assert.deepEqual(reasons('{"a":1,"a":1}'), ['duplicate-key'])
    assert.deepEqual(reasons('{"a":1,"\\u0061":2}'), ['duplicate-key'])
    assert.deepEqual(reasons('{"x":{"constructor":1,"constructor":2}}'), ['duplicate-key'])
    assert.deepEqual(reasons('{"a":null,"a":null}'), ['duplicate-key'])
    assert.deepEqual(reasons('{"a":1,"A":2,"\u00e9":3,"e\u0301":4}'), [])
    assert.deepEqual(reading('{"a":1,"b":0,"a":2}'), { a: 2, b: 0 })
  })

  it('refuses __proto__ and lets it change nothing', () => {
    for (const text of ['{"__proto__":{"x":1}}', '{"\\u005f_proto__":{"x":1}}', '{"a":{"b":1,"__proto__":null}}']) {
      assert.deepEqual(reasons(text), ['unsafe-key'], text)
    }
    const read = reading('{"a":1,"__proto__":{"polluted":true}}')
    assert.deepEqual(Object.keys(read as object), ['a'])
    assert.equal((read as Record<string, unknown>)['polluted'], undefined)
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  it('refuses numbers that lose digits, and no others', () => {
    for (const literal of [
      '9007199254740993',
      '1e400',
      '-1e400',
      '1e-400',
      '123456789012345678901',
      '295147905179352825856',
      '333333333.33333329',
      '1.7976931348623159e308',
      '0.1000000000000000055511151231257827',
      '4.9e-324',
      '1e99999999999999999999',
    ]) {
      assert.deepEqual(reasons(`{"n":[${literal}]}`), ['number-lossy'], literal)
    }
    for (const literal of [
      '0',
      '-0',
      '-0.0',
      '0e5',
      '0.10',
      '1e2',
      '1.0',
      '9007199254740991',
      '9007199254740992',
      '100000000000000000000',
      '1e21',
      '1000000000000000000000e0',
      '0.000001',
      '0.0000001',
      '10e-8',
      '1.7976931348623157e308',
      '2.2250738585072014e-308',
      `1${'0'.repeat(300)}`,
      `0.${'0'.repeat(300)}1`,
      `${'1'.padEnd(400, '0')}e-399`,
    ]) {
      assert.deepEqual(reasons(literal), [], literal)
    }
  })

  it('holds every double in the shortest decimal that reads back as it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), number => {
        assert.deepEqual(reasons(String(number)), [])
        const exact = number.toPrecision(17)
        const isShortest = Number.parseFloat(exact) === number && decimalsAgree(exact, String(number))
        assert.deepEqual(reasons(exact), isShortest ? [] : ['number-lossy'], exact)
      }),
      { numRuns: 2000, seed: 754 },
    )
  })

  it('refuses a byte order mark, bytes that are no UTF-8, and text that no UTF-8 spells', () => {
    assert.deepEqual(reasons('\ufeff{}'), ['bom'])
    assert.deepEqual(reasons(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), ['bom'])
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22],
      [0x22, 0xe2, 0x82, 0x22],
      [0xff, 0xfe, 0x31, 0x00],
    ]) {
      assert.deepEqual(reasons(Uint8Array.from(bytes)), ['invalid-utf8'], String(bytes))
    }
    assert.deepEqual(reasons('"\ud800"', { loneSurrogates: 'keep' }), ['invalid-utf8'])
  })

  it('refuses an escaped surrogate without its other half, unless asked to keep it', () => {
    for (const text of ['"\\ud800"', '"\\udc00x"', '"\\ude00\\ud83d"', '{"\\ud800":1}']) {
      assert.deepEqual(reasons(text), ['lone-surrogate'], text)
      assert.deepEqual(value(text, { loneSurrogates: 'keep' }), JSON.parse(text))
    }
    assert.deepEqual(reasons('"\\ud83d\\ude00"'), [])
    assert.deepEqual(reasons('"\ud83d\ude00 \\u00e9"'), [])
  })
})

describe('the limits of a text', () => {
  it('count bytes of UTF-8, whatever it came as', () => {
    for (const text of ['"aaa"', '"éé"', '"€"', '"😀"', '"a😀€é"']) {
      const { length } = utf8(text)
      assert.deepEqual(reasons(text, { bytesMax: length }), [], text)
      assert.deepEqual(reasons(text, { bytesMax: length - 1 }), ['size-limit'], text)
      assert.deepEqual(reasons(utf8(text), { bytesMax: length }), [], text)
      assert.deepEqual(reasons(utf8(text), { bytesMax: length - 1 }), ['size-limit'], text)
    }
  })

  it('count containers inside each other', () => {
    const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
    assert.deepEqual(reasons(nested(256)), [])
    assert.deepEqual(reasons(nested(258)), ['nesting-limit'])
    assert.deepEqual(reasons(`[${nested(4)},${nested(4)}]`, { depthMax: 5 }), [])
    assert.deepEqual(reasons(nested(2000), { depthMax: 1_000_000 }), ['nesting-limit'])
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      assert.deepEqual(reasons(`${open.repeat(256)}1${close.repeat(256)}`), [])
      assert.deepEqual(reasons(`${open.repeat(257)}1${close.repeat(257)}`), ['nesting-limit'])
      assert.deepEqual(reasons(open.repeat(400_000)), ['nesting-limit'])
    }
  })
})

describe('the problems of a text', () => {
  it('are all told, in order, each with its place', () => {
    const parsed = parseJson('{"a":1,"a":2,"b":[0,{"c/~d":9007199254740993}],"__proto__":1,"e":["\\ud800"]}')
    assert.ok(!parsed.ok)
    assert.deepEqual(
      parsed.problems.map(({ reason, pointer }) => [reason, pointer]),
      [
        ['duplicate-key', '/a'],
        ['number-lossy', '/b/1/c~1~0d'],
        ['unsafe-key', '/__proto__'],
        ['lone-surrogate', '/e/0'],
      ],
    )
  })
  it('end with what stopped the reading, and then there is no reading', () => {
    const parsed = parseJson('{"a":1,"a":2,"b":[1,}')
    assert.ok(!parsed.ok)
    assert.deepEqual(
      parsed.problems.map(({ reason }) => reason),
      ['duplicate-key', 'not-json'],
    )
    assert.equal(parsed.reading, undefined)
    assert.equal(parsed.problems[1]?.pointer, '/b/1')
  })
  it('are told up to a bound, the fault that stopped it included', () => {
    const lossy = Array.from({ length: 500 }, () => '1e400').join(',')
    assert.equal(reasons(`[${lossy}]`).length, 32)
    assert.equal(reasons(`[${lossy}`).at(-1), 'not-json')
  })
})

describe('the text of a member', () => {
  it('is exactly as it stands', () => {
    const text = ' { "a" : 1.50 , "r\\u0065c" : {"x": [1, "]}\\""] } , "z":true, "s":"a\\\\", "n":[ ]}'
    assert.equal(memberText(text, 'a'), '1.50')
    assert.equal(memberText(text, 'rec'), '{"x": [1, "]}\\""] }')
    assert.equal(memberText(text, 'z'), 'true')
    assert.equal(memberText(text, 's'), '"a\\\\"')
    assert.equal(memberText(text, 'n'), '[ ]')
    assert.equal(memberText(text, 'x'), undefined)
  })
  it('is none in what is no object, or breaks off', () => {
    for (const text of ['', '[]', '1', 'null', '{', '{"a"', '{"a":', '{"b":1', '{}']) {
      assert.equal(memberText(text, 'a'), undefined, text)
    }
  })
  it('parses to the member, whatever object it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), object => {
        for (const [name, member] of Object.entries(JSON.parse(JSON.stringify(object)))) {
          const text = memberText(JSON.stringify(object, null, 1), name)
          assert.deepEqual(JSON.parse(text ?? 'absent'), member)
        }
      }),
      { numRuns: 300, seed: 8259 },
    )
  })
})

it('nothing crashes the reader', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      const parsed = parseJson(bytes)
      if (parsed.ok) canonicalText(parsed.value)
    }),
    { numRuns: 3000, seed: 1 },
  )
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Whether two decimals have the same value, told with integers. */
function decimalsAgree(a: string, b: string): boolean {
  const scaled = (text: string) => {
    const [, sign, whole = '', fraction = '', power = '0'] = /^(-?)(\d+)\.?(\d*)(?:e([+-]?\d+))?$/.exec(text) ?? []
    return { digits: BigInt(`${whole}${fraction}`), power: Number(power) - fraction.length, sign }
  }
  const [x, y] = [scaled(a), scaled(b)]
  const least = Math.min(x.power, y.power)
  return x.digits * 10n ** BigInt(x.power - least) === y.digits * 10n ** BigInt(y.power - least)
}
