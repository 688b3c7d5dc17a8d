import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { textOf, utf8 } from '../../../src/base/bytes.ts'
import type { KafkaRecord, NewRecord } from '../../../src/log/kafka/client.ts'
import { StateReader, type StateStep, stateRecords } from '../../../src/log/kafka/state-records.ts'
import { memoryViews } from '../../../src/log/memory-views.ts'
import type { ViewChange } from '../../../src/projections/store.ts'

const place = { topic: 't', partition: 0 }
const version = 3
const put = (key: string, text = key): ViewChange => ({ key, value: utf8(text) })
const drop = (key: string): ViewChange => ({ key, value: undefined })
const step = (ledger: string, position: number, ...changes: ViewChange[]): StateStep => ({
  ...{ ledger, position, version, changes },
})

const asRead = (records: readonly NewRecord[]): KafkaRecord[] =>
  records.map((record, offset) => ({ ...record, offset, timestampMs: 0 }))
const written = (...steps: StateStep[]): KafkaRecord[] => asRead(stateRecords(place, steps))
const readBy = (reader: StateReader, records: readonly KafkaRecord[]): StateStep[] =>
  records.flatMap(record => reader.take(record) ?? [])
const read = (records: readonly KafkaRecord[]): StateStep[] => readBy(new StateReader(version), records)

/** What a compacted topic has left of records below `end`. */
const compacted = (records: readonly KafkaRecord[], end: number): KafkaRecord[] => {
  const newest = new Map(records.slice(0, end).map(record => [record.key, record.offset]))
  return records.filter(({ key, offset }) => offset >= end || newest.get(key) === offset)
}

describe('a step of the state view in its topic', () => {
  it('is a record a row under its ledger, and the position last', () => {
    const records = stateRecords(place, [step('a/b', 7, put('g/1', 'one'), drop('p/x\u00001'))])
    assert.deepEqual(
      records.map(({ key, value, isTombstone }) => [key, isTombstone === true ? undefined : textOf(value)]),
      [
        ['a/b\ng/1', 'one'],
        ['a/b\np/x\u00001', undefined],
        ['a/b\n', '{"position":7,"version":3}'],
      ],
    )
    for (const { headers } of records) assert.equal(textOf(headers['version'] ?? new Uint8Array()), '3')
  })

  it('is read back as it was, an empty row and one with line feeds in its key too', () => {
    const steps = [
      step('a', 0, put('x'), { key: 'e', value: new Uint8Array() }, put('n\nn'), drop('y')),
      step('b', 3),
      step('a', 9, put('x', 'é')),
    ]
    assert.deepEqual(read(written(...steps)), steps)
  })

  it('says of a row that changes twice what it is in the end', () => {
    const [found] = read(written(step('a', 1, put('x', 'old'), put('y'), drop('x'))))
    assert.deepEqual(found?.changes, [drop('x'), put('y')])
  })

  it('that is torn off is nothing, and the reader knows', () => {
    const reader = new StateReader(version)
    const records = written(step('a', 1, put('x')), step('a', 2, put('y')))
    assert.equal(readBy(reader, records.slice(0, 3)).length, 1)
    assert.equal(reader.isOpen, true)
    assert.deepEqual(readBy(reader, records.slice(3)), [step('a', 2, put('y'))])
    assert.equal(reader.isOpen, false)
  })

  it('of another version tells its position and none of its rows', () => {
    const other = { ...step('a', 5, put('x', 'theirs'), put('z', 'theirs')), version: version + 1 }
    assert.deepEqual(read(written(other, step('a', 6, put('x', 'ours')))), [
      { ...other, changes: [] },
      step('a', 6, put('x', 'ours')),
    ])
    // Their position is compacted away by ours, and their rows stay.
    const records = written(other, step('a', 6, put('x', 'ours')))
    assert.deepEqual(read(compacted(records, records.length)), [step('a', 6, put('x', 'ours'))])
  })

  it('that begins a ledger anew brings no rows', () => {
    assert.deepEqual(read(written(step('a', -1, drop('x'), drop('y')), step('a', 4, put('x')))), [
      step('a', -1),
      step('a', 4, put('x')),
    ])
  })

  it('is not made up of what no follower wrote', () => {
    const [row, end] = written(step('a', 1, put('x')))
    assert.ok(row !== undefined && end !== undefined)
    const odd = [
      { ...row, key: 'no line feed' },
      { ...row, key: '\nno-ledger' },
      { ...row, headers: {} },
      ...['', '{}', '{"position":1.5,"version":3}', '{"position":-2,"version":3}', '[', '{"position":1}'].map(text => ({
        ...end,
        value: utf8(text),
      })),
    ]
    assert.deepEqual(read([...odd, end]), [step('a', 1)])
  })

  it('leaves the same rows wherever the topic was compacted, once its end is read', async () => {
    const changes = fc.array(
      fc
        .tuple(fc.constantFrom('k/1', 'k/2', 'k/3', 'k/4', 'k/5'), fc.option(fc.string({ maxLength: 3 })))
        .map(([key, text]): ViewChange => (text === null ? drop(key) : put(key, text))),
      { maxLength: 6 },
    )
    const steps = fc
      .array(fc.tuple(fc.constantFrom('a', 'b'), changes), { minLength: 1, maxLength: 12 })
      .map(all => all.map(([ledger, changes], n) => step(ledger, n, ...changes)))
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(100), async (steps, percent) => {
        const records = written(...steps)
        const end = Math.ceil((records.length * percent) / 100)
        const [whole, left] = [memoryViews(), memoryViews()]
        for (const { ledger, position, changes } of steps) await whole.commit('v', ledger, position, changes)
        for (const { ledger, position, changes } of read(compacted(records, end)))
          await left.commit('v', ledger, position, changes)
        for (const ledger of ['a', 'b']) assert.equal(left.dump('v', ledger), whole.dump('v', ledger))
      }),
    )
  })
})
