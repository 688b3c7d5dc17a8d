import { promisify } from 'node:util'
import { unzip, zstdDecompress } from 'node:zlib'
import kafkajs, { type Broker, type Cluster } from 'kafkajs'
import type { Place } from './client.ts'
import { fromLz4 } from './lz4.ts'
import { fromSnappy } from './snappy.ts'

const { CompressionCodecs, CompressionTypes, KafkaJSError } = kafkajs

/** What the batches of one answer may come to, all together: a fetch of 16 MiB that was compressed to a sixteenth. */
const answerMax = { bytes: 256 << 20, records: 1_000_000 }
/** kafkajs puts the records of a batch on the stack. */
const batchRecordsMax = 50_000

/** A batch that can't be decoded; `last` is the offset that it ends with, where that is known. */
export class BatchFault extends Error {
  readonly last: number | undefined
  constructor(compression: string, last: number | undefined, cause: unknown) {
    super(`${compression}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.name = 'BatchFault'
    this.last = last
  }
}

type Decode = (bytes: Uint8Array, bytesMax: number) => Uint8Array | Promise<Uint8Array>

const unzipped = promisify(unzip)
const unzstd = promisify(zstdDecompress)

const codecs: readonly (readonly [kafkajs.CompressionTypes, string, Decode])[] = [
  [CompressionTypes.GZIP, 'gzip', (bytes, maxOutputLength) => unzipped(bytes, { maxOutputLength })],
  [CompressionTypes.Snappy, 'snappy', fromSnappy],
  [CompressionTypes.LZ4, 'lz4', fromLz4],
  [CompressionTypes.ZSTD, 'zstd', (bytes, maxOutputLength) => unzstd(bytes, { maxOutputLength })],
]

/** Teaches kafkajs to read every compression that Kafka knows, and no more of it than fits into memory. */
export function readCompressed(): void {
  const all: Record<number, () => unknown> = CompressionCodecs
  for (const [type, name, decode] of codecs) {
    const codec = { decompress: (records: Buffer) => decompress(name, decode, records) }
    all[type] = () => codec
  }
}

/** What was decoded of an answer so far, by the memory that the answer lies in. */
const decoded = new WeakMap<ArrayBufferLike, { bytes: number; records: number }>()

async function decompress(name: string, decode: Decode, records: Buffer): Promise<Buffer> {
  const { count, last } = headerOf(records)
  const sum = decoded.get(records.buffer) ?? { bytes: 0, records: 0 }
  decoded.set(records.buffer, sum)
  try {
    sum.records += count
    if (count > batchRecordsMax || sum.records > answerMax.records) throw new RangeError(`it holds ${count} records`)
    const { buffer, byteOffset, byteLength } = await decode(records, Math.max(1, answerMax.bytes - sum.bytes))
    sum.bytes += byteLength
    return Buffer.from(buffer, byteOffset, byteLength)
  } catch (error) {
    throw new BatchFault(name, last, error)
  }
}

const headerBytes = 61

/**
 * What the header of a batch says: how many records it holds, and the offset of the last. kafkajs hands over nothing but the
 * records, before which the header stands in the same memory: baseOffset int64, batchLength int32, partitionLeaderEpoch int32,
 * magic int8, crc int32, attributes int16, lastOffsetDelta int32, …, records count int32.
 */
function headerOf({ buffer, byteOffset, byteLength }: Buffer): { readonly count: number; readonly last?: number } {
  if (byteOffset < headerBytes) return { count: 0 }
  const header = new DataView(buffer, byteOffset - headerBytes, headerBytes)
  const isOne = header.getInt8(16) === 2 && header.getInt32(8) === headerBytes - 12 + byteLength
  if (!isOne) return { count: 0 }
  return { count: header.getInt32(57), last: Number(header.getBigInt64(0)) + header.getInt32(23) }
}

type Fetch = Broker['fetch']

/**
 * Makes what can't be decoded a matter of its place alone: kafkajs gives up a whole consumer for it, and says neither where it
 * stands nor what it is. Of an answer that can't be decoded, each place is fetched again by itself, one batch of it.
 */
export function decodeApart(cluster: Cluster, onFault: (place: Place, from: number, error: unknown) => void): void {
  const find = cluster.findBroker.bind(cluster)
  const known = new WeakSet<Broker>()
  cluster.findBroker = async node => {
    const broker = await find(node)
    if (!known.has(broker)) broker.fetch = apart(broker.fetch.bind(broker), onFault)
    known.add(broker)
    return broker
  }
}

const apart =
  (fetch: Fetch, onFault: (place: Place, from: number, error: unknown) => void): Fetch =>
  async request => {
    try {
      return await fetch(request)
    } catch (error) {
      if (!isOfDecoding(error)) throw error
    }
    const responses: unknown[] = []
    for (const { topic, partitions } of request.topics) {
      for (const one of partitions) {
        const alone = { ...request, maxWaitTime: 0, topics: [{ topic, partitions: [{ ...one, maxBytes: 1 }] }] }
        try {
          responses.push(...((await fetch(alone)) as { readonly responses: readonly unknown[] }).responses)
        } catch (error) {
          if (!isOfDecoding(error)) throw error
          onFault({ topic, partition: one.partition }, Number(one.fetchOffset), error)
        }
      }
    }
    return { responses }
  }

/** Brokers and connections fail with errors of kafkajs's own, and so do few of its decoders. */
const isOfDecoding = (error: unknown): boolean =>
  !(error instanceof KafkaJSError) || /^KafkaJS(NotImplemented|Invalid(VarInt|Long)Error)$/.test(error.name)
