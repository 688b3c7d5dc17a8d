import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { judgeChain } from '../../src/aep/chain.ts'
import { type ConformanceStep, isRight, judgeFolder } from '../../src/aep/conformance.ts'
import { memberText } from '../../src/aep/json.ts'
import { parseKeys } from '../../src/aep/keyring.ts'
import { findingClasses, reasonClasses } from '../../src/aep/record/classes.ts'
import { aepRecordSchema } from '../../src/aep/record/schema.ts'
import { recordSignature } from '../../src/aep/record/signature.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { portableSuite } from '../../src/crypto/portable.ts'
import { conformanceFile, conformanceLines, conformanceSkip, conformanceText } from '../support/conformance.ts'

type Judged = Extract<ConformanceStep, { kind: 'item' }>

const manifest = conformanceSkip ? { files: [] } : (JSON.parse(conformanceText('manifest.json')) as Manifest)
const steps = conformanceSkip ? [] : [...judgeFolder(conformanceFile, nodeSuite)]
const judged = steps.filter(step => step.kind === 'item')

/** Deliberate refusals of what the folder leaves to choice; docs/adr/0001 argues for each. */
const chosenAgainst = new Set(['unsigned'])

describe('the conformance folder', { skip: conformanceSkip }, () => {
  it('is judged whole: each line of each vector file, and each chain', () => {
    assert.deepEqual(
      steps.filter(({ kind }) => kind === 'skipped'),
      [],
    )
    const kinds = ['record', 'canonical', 'ledger', 'bundle', 'chain-index']
    const counted = manifest.files.filter(({ kind }) => kinds.includes(kind))
    assert.equal(
      judged.length,
      counted.reduce((sum, { count }) => sum + count, 0),
    )
    assert.equal(new Set(judged.map(({ item }) => item.id)).size, judged.length)
  })

  for (const level of ['must', 'should', 'choice'] as const) {
    const items = judged.filter(({ expected }) => expected?.level === level)
    it(`comes out right in each of ${items.length} items of level ${level}`, () => {
      assert.ok(items.length > 0)
      for (const { item, expected } of items)
        assert.ok(expected && isRight(item, expected), JSON.stringify([item, expected]))
    })
  }

  it('comes out as it says in all it leaves to choice, but for what was decided otherwise', () => {
    for (const { item, expected } of judged.filter(({ expected }) => expected?.level === 'choice')) {
      if (item.verdict === expected?.verdict) continue
      assert.ok(
        item.reasons.some(reason => chosenAgainst.has(reason)),
        item.id,
      )
    }
  })

  it('gives no reason against what is accepted, and at least one against what is not', () => {
    for (const { item } of judged) {
      assert.equal(item.reasons.length === 0, item.verdict === 'accept', item.id)
      assert.ok(item.reasons.every(reason => reasonClasses.includes(reason)))
      assert.ok(item.findings.every(finding => findingClasses.includes(finding)))
    }
  })

  it('has its canonical vectors in our reference form', () => {
    const canonical = judged.filter(({ file }) => file.endsWith('canonicalization.jsonl'))
    assert.ok(canonical.length > 0)
    for (const { item } of canonical) assert.equal(item.verdict, 'accept', item.id)
  })

  it('states the chain hash and the signature that we find', () => {
    let compared = 0
    for (const line of conformanceLines('vectors/valid-records.jsonl') as ValidLine[]) {
      const verdict = judgeChain([line.input.text], keys(), nodeSuite)
      assert.equal(verdict.headHash, line.chain_hash, line.id)
      assert.equal(recordSignature(line.input.text, keys(), nodeSuite), 'valid', line.id)
      compared++
    }
    assert.ok(compared > 0)
  })

  it('comes out the same under the portable suite', () => {
    // Verification in JavaScript takes milliseconds, so: what differs between suites, and a sample of the rest.
    const files = ['vectors/ed25519-edge.jsonl', 'vectors/signature-block.jsonl', 'vectors/timestamp.jsonl']
    const sample = {
      ...manifest,
      files: manifest.files.filter(({ file, kind }) => kind === 'keys' || files.includes(file)),
    }
    const read = (path: string) => (path === 'manifest.json' ? utf8(JSON.stringify(sample)) : conformanceFile(path))
    const portable = [...judgeFolder(read, portableSuite)].filter(step => step.kind === 'item')
    assert.ok(portable.length > 0)
    const byId = new Map<string, Judged>(judged.map(step => [step.item.id, step]))
    for (const { item } of portable) assert.deepEqual(item, byId.get(item.id)?.item)
  })
})

describe('the AEP records of the gateway streams', { skip: conformanceSkip }, () => {
  const streams = manifest.files.filter(({ kind }) => kind === 'gateway-stream')
  for (const { file } of streams) {
    it(`form one accepted chain in ${file}`, () => {
      const records = conformanceText(file)
        .split('\n')
        .filter(line => line.includes('"type":"aep_record"'))
        .map(line => memberText(line, 'data') ?? assert.fail(line))
      const { verdict, reasons, count } = judgeChain(records, keys(), nodeSuite)
      assert.deepEqual([verdict, reasons, count], ['accept', [], records.length])
      assert.ok(count > 0)
    })
  }
})

const copiesSkip =
  conformanceSkip || (conformanceFile('sources/files.json') ? false : 'the conformance folder has no copies')

describe('the fixtures copied from other repositories', { skip: copiesSkip }, () => {
  it('are as they were copied', () => {
    const { files } = JSON.parse(conformanceText('sources/files.json')) as { files: Copied[] }
    assert.ok(files.length > 0)
    for (const { repo, path, sha256 } of files) {
      const bytes = conformanceFile(`sources/${repo}/${path}`) ?? assert.fail(path)
      assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256)
    }
  })
  it('fit our schema just when they fit the reference’s, but for a missing signature', () => {
    const verdicts = JSON.parse(conformanceText('sources/verdicts.json')) as FixtureVerdict[]
    const records = verdicts.filter(({ reference_schema: fits }) => fits !== undefined)
    assert.ok(records.length > 0)
    for (const { file, reference_schema: fits, first_issue: issue } of records) {
      const fixture = JSON.parse(conformanceText(file)) as Record<string, unknown>
      const ours = aepRecordSchema.safeParse(fixture).success
      if (issue === 'signature: Required' && fixture['signature'] === undefined) continue
      assert.equal(ours, fits, `${file}: ${issue}`)
    }
  })
})

function keys() {
  const parsed = parseKeys(JSON.parse(conformanceText('keys.json')))
  return parsed.ok ? parsed.keys : assert.fail()
}

interface Manifest {
  readonly files: readonly { readonly file: string; readonly kind: string; readonly count: number }[]
}

interface Copied {
  readonly repo: string
  readonly path: string
  readonly sha256: string
}

interface ValidLine {
  readonly id: string
  readonly input: { readonly text: string }
  readonly chain_hash: string
}

interface FixtureVerdict {
  readonly file: string
  readonly reference_schema?: boolean
  readonly first_issue?: string
}
