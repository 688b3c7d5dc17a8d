import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { ledgerName, ledgerScope } from '../../src/contract/names.ts'
import { nearest } from '../../src/contract/nearest.ts'
import { readBody, readParams, readQuery } from '../../src/contract/read.ts'

const shape = z.strictObject({
  limit: z.int().min(1).max(10).default(5),
  type: z.array(z.enum(['a', 'b'])).optional(),
  q: z.string().max(5).optional(),
})

const errorsOf = (query: string) => {
  const read = readQuery(shape, query)
  return read.ok ? [] : read.errors.map(({ pointer, detail }) => `${pointer} ${detail}`)
}

describe('a query', () => {
  it('is read by its shape: numbers, lists, texts and what is left out', () => {
    assert.deepEqual(readQuery(shape, ''), { ok: true, value: { limit: 5 } })
    assert.deepEqual(readQuery(shape, 'limit=7&type=a&type=b&q=%C3%A4+b'), {
      ok: true,
      value: { limit: 7, type: ['a', 'b'], q: 'ä b' },
    })
    assert.deepEqual(readQuery(shape, '&&limit=7&'), { ok: true, value: { limit: 7 } })
  })

  it('with a name that is unknown is refused, naming the one that was meant', () => {
    assert.deepEqual(errorsOf('limti=3'), ['limti is unknown. Did you mean limit?'])
    assert.deepEqual(errorsOf('zzzzzzzz=3'), ['zzzzzzzz is unknown. There are: limit, type, q.'])
    assert.deepEqual(errorsOf('__proto__=3'), ['__proto__ is unknown. There are: limit, type, q.'])
    const empty = readQuery(z.strictObject({}), 'a=1')
    assert.equal(empty.ok ? '' : empty.errors[0]?.detail, 'is unknown: this route takes no parameters')
  })

  it('with a number spelt in any other way is refused', () => {
    for (const text of ['', '07', '+7', '7.0', '7e0', '0x7', ' 7', '-1', 'seven', '99999999999999999']) {
      assert.equal(errorsOf(`limit=${encodeURIComponent(text)}`).length, 1, text)
    }
  })

  it('with a number, a value or a text beyond its bounds is refused', () => {
    for (const query of ['limit=0', 'limit=11', 'type=c', 'type=a&type=', 'q=sixsix']) {
      assert.equal(errorsOf(query).length, 1, query)
    }
  })

  it('with a single parameter said twice is refused, not merged', () => {
    assert.deepEqual(errorsOf('q=a&q=b'), ['q stands more than once'])
  })

  it('with bytes that are no UTF-8 is refused, not mended', () => {
    for (const query of ['q=%', 'q=%zz', 'q=%ff', 'q=%c3', '%ff=1']) assert.equal(errorsOf(query).length, 1, query)
  })

  it('says everything that is wrong at once', () => {
    assert.equal(errorsOf('limit=0&limti=1&type=c&q=%ff').length, 4)
  })
})

describe('parameters of a path', () => {
  it('are read by their shapes, numbers in decimal digits alone', () => {
    const shapes = { seq: z.int().min(0), ledger: ledgerName }
    assert.deepEqual(readParams(shapes, { seq: '12', ledger: 'acme/prod' }), {
      ok: true,
      value: { seq: 12, ledger: 'acme/prod' },
    })
    const read = readParams(shapes, { seq: '-1', ledger: 'Acme' })
    assert.deepEqual(read.ok ? [] : read.errors.map(error => error.pointer), ['seq', 'ledger'])
  })
})

describe('a body', () => {
  it('that does not fit is refused with a pointer to each fault', () => {
    const read = readBody(z.strictObject({ a: z.array(z.string()), 'b/c': z.int() }), { a: ['x', 1], 'b/c': 1.5, d: 1 })
    assert.deepEqual(read.ok ? [] : read.errors.map(error => error.pointer).sort(), ['', '/a/1', '/b~1c'])
  })
})

describe('the name of a ledger', () => {
  it('is letters, digits, dot, underscore and hyphen, in segments', () => {
    for (const name of ['default', 'acme/prod', 'a/b/c', '...', 'a..b', '-', '__proto__', 'x'.repeat(128)]) {
      assert.ok(ledgerName.safeParse(name).success, name)
    }
    for (const name of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      '..',
      'a/..',
      './a',
      'a/./b',
      'A',
      'ä',
      'a b',
      'a\n',
      'x'.repeat(129),
    ]) {
      assert.ok(!ledgerName.safeParse(name).success, JSON.stringify(name))
    }
  })

  it('may end in a star where it is a scope, and nowhere else hold one', () => {
    for (const scope of ['*', 'acme/*', 'acme*', 'acme/prod']) assert.ok(ledgerScope.safeParse(scope).success, scope)
    for (const scope of ['', '**', '*a', 'a*b', 'A*']) assert.ok(!ledgerScope.safeParse(scope).success, scope)
  })
})

describe('the nearest name', () => {
  it('is the one that few letters tell apart, and none where all are far', () => {
    assert.equal(nearest('sesion', ['session', 'server']), 'session')
    assert.equal(nearest('denyreason', ['deny_reason', 'decision']), 'deny_reason')
    assert.equal(nearest('untli', ['until', 'limit']), 'until')
    assert.equal(nearest('x', ['q']), undefined)
    assert.equal(nearest('a'.repeat(10_000), ['a']), undefined)
  })
})
