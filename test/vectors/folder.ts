import { canonicalText, referenceCanonicalText } from '../../src/aep/canonical.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { alice, bob, chainHashOf, chainOf, mallory, signed, texts } from '../support/aep.ts'
import { ed25519Vectors } from './ed25519.ts'
import { type RecordVector, recordVectors } from './records.ts'

/**
 * The project's own vectors as files of a folder laid out as `aep-conformance`, by path. Made anew at every call from
 * nothing but names, so that the stored folder can be compared with it byte for byte.
 */
export function vectorFolder(): ReadonlyMap<string, string> {
  const records = recordVectors()
  const chains = chainEntries()
  const canonical = canonicalVectors()
  const edges = ed25519Vectors()
  const files = new Map<string, string>([
    [
      'keys.json',
      pretty(
        [alice, bob].map(({ keyId, publicKey }) => ({ key_id: keyId, alg: 'ed25519', public_hex: hex(publicKey) })),
      ),
    ],
    ['vectors/records.jsonl', lines(records)],
    ['vectors/canonical.jsonl', lines(canonical)],
    ['vectors/ed25519.jsonl', lines(edges)],
    ...chains.map(({ entry, text }): [string, string] => [entry.file, text]),
    ['chains/index.json', pretty(chains.map(({ entry }) => entry))],
  ])
  const manifest = [
    { file: 'keys.json', kind: 'keys', shape: 'array of test keys', count: 2 },
    { file: 'vectors/records.jsonl', kind: 'record', shape: 'record-vector', count: records.length },
    { file: 'vectors/canonical.jsonl', kind: 'canonical', shape: 'canonical-vector', count: canonical.length },
    {
      file: 'vectors/ed25519.jsonl',
      kind: 'ed25519',
      shape: 'public_hex, message_hex, signature_hex, valid',
      count: edges.length,
    },
    { file: 'chains/index.json', kind: 'chain-index', shape: 'chain-index', count: chains.length },
  ]
  files.set('manifest.json', pretty({ format: 'aep-conformance/1', files: manifest }))
  return files
}

interface ChainEntry {
  readonly file: string
  readonly about: string
  readonly keyring: readonly string[]
  readonly anchor?: JsonObject
  readonly expected: RecordVector['expected'] & { readonly first_bad_index?: number }
}

function chainEntries(): { entry: ChainEntry; text: string }[] {
  const chain = chainOf(6)
  const anchor = { count: 6, first_hash: hashAt(chain, 0), head_hash: hashAt(chain, 5) }
  const made = (name: string, about: string, records: readonly Json[], bad?: [at: number, ...reasons: string[]]) => {
    const [at, ...reasons] = bad ?? [undefined]
    return {
      text: `${texts(records).join('\n')}\n`,
      entry: {
        file: `chains/${name}.jsonl`,
        about,
        keyring: [alice.keyId],
        anchor,
        expected: {
          verdict: bad ? ('reject' as const) : ('accept' as const),
          reasons,
          findings: [],
          level: 'must' as const,
          ...(at === undefined ? {} : { first_bad_index: at }),
        },
      },
    }
  }
  const [first, , third] = chain
  return [
    made('whole', 'six records, as the anchor says', chain),
    made('removed', 'record 2 is missing', chain.toSpliced(2, 1), [2, 'chain-link-mismatch']),
    made('truncated', 'the last two records are missing', chain.slice(0, 4), [4, 'chain-truncated']),
    made('headless', 'the first record is missing', chain.slice(1), [0, 'chain-head-missing']),
    made('replayed', 'the first record again at the end', [...chain, first ?? {}], [6, 'chain-duplicate']),
    made('outsider', 'record 2 signed by a key in no ring', chain.toSpliced(2, 1, signed(third ?? {}, mallory)), [
      2,
      'key-unknown',
    ]),
  ]
}

const hashAt = (chain: readonly JsonObject[], index: number) => chainHashOf(chain[index] ?? {})

function canonicalVectors(): Json[] {
  const inputs = [
    ['an empty object', '{}'],
    ['index names first', '{"b":1,"10":2,"2":3,"01":4}'],
    ['the last index name', '{"4294967295":1,"4294967294":2,"A":3}'],
    ['numbers', '[-0,1.0,1e21,0.1e1,1e400]'],
    ['a lone surrogate', '{"\\ud83d":"\\udE00"}'],
    ['a member named __proto__', '{"a":{"__proto__":1,"b":2}}'],
    ['an escaped spelling', '"\\u0041\\/\\u000a\\u007f"'],
  ] as const
  return inputs.map(([about, text], i) => {
    const value: Json = JSON.parse(text)
    const utf = referenceCanonicalText(value)
    const rfc8785 = rfc8785Of(value)
    const same = rfc8785 === undefined || rfc8785 === utf
    return {
      id: `own-can-${i}`,
      kind: 'canonical',
      about,
      input: { text },
      canonical: { utf8: utf, sha256: hex(nodeSuite.sha256(utf8(utf))), bytes: utf8(utf).length },
      rfc8785_utf8_same: same,
      ...(same ? {} : { rfc8785_utf8: rfc8785 }),
    }
  })
}

function rfc8785Of(value: Json): string | undefined {
  try {
    return canonicalText(value)
  } catch {
    return undefined
  }
}

/** Laid out as the formatter of this repository lays it out: two spaces, arrays of texts on one line. */
const pretty = (value: unknown) =>
  `${JSON.stringify(value, null, 2).replaceAll(/\[\n\s+("[^\]]*")\n\s+\]/g, (_, texts: string) => `[${texts.replaceAll(/,\n\s+/g, ', ')}]`)}\n`

const lines = (values: readonly unknown[]) => `${values.map(value => JSON.stringify(value)).join('\n')}\n`
