import { existsSync, statSync } from 'node:fs'
import { ledgerList, ledgerState } from '../../contract/admin.ts'
import { dsseLinesType } from '../../contract/entries.ts'
import type { Head } from '../../ledger/entry.ts'
import type { TokenRecord } from '../../log/control.ts'
import { type EmbeddedReader, openEmbeddedReader } from '../../log/embedded/open.ts'
import { LogUnreadable } from '../../log/port.ts'
import { readFrame } from '../../verify/frame.ts'
import type { EntrySource, SourceEntry } from '../../verify/port.ts'
import { type Client, clientOf, ledgerPath, ProblemError } from '../client.ts'
import type { Context } from '../context.ts'
import { CliError, exitCodes, usageError } from '../exit.ts'
import { isUrl, type RemoteOptions, remoteOf } from '../settings.ts'
import { entryOfLine, envelopeBytesMax } from './envelopes.ts'
import { isKafkaUrl, kafkaPlace, openKafka } from './kafka.ts'
import { bytesAgain, linesOf, unreadable } from './lines.ts'
import { recordIn } from './records.ts'

/** Ledgers to be verified, and how far their reading is. */
export interface Opened {
  /** What was opened, for people. */
  readonly about: string
  readonly sources: readonly OpenSource[]
  /** Token records, where the source shows them. */
  tokens?(): Promise<readonly TokenRecord[]>
  close(): Promise<void>
}

export interface OpenSource extends EntrySource {
  /** Entries that there are to read, where that is known. */
  readonly total?: number
}

export interface OpenOptions extends RemoteOptions {
  /** Folder with records kept beside the log, each under its digest, which are looked for there first: an export has none itself. */
  readonly records?: string
  /** Ledgers that should be there: each is opened, and is empty where there is none. Without it an unknown one is an error. */
  readonly expected?: readonly string[]
}

/**
 * What `text` names: an http(s) address of a service, a `kafka://` address, a data folder (of a running service, too), or an
 * export file. All of its ledgers, unless `--ledger` names one; an export holds one.
 */
export async function openSource(text: string, options: OpenOptions, context: Context): Promise<Opened> {
  const { records } = options
  if (records === undefined) return openNamed(text, options, context)
  if (!existsSync(records)) throw usageError(`There is no folder ${records}.`, 'Give --records one with records.')
  const opened = await openNamed(text, options, context)
  const withRecords = (source: OpenSource): OpenSource => ({
    ...source,
    record: async (digest, seq) => recordIn(records, digest) ?? source.record?.(digest, seq),
  })
  return { ...opened, sources: opened.sources.map(withRecords) }
}

async function openNamed(text: string, options: OpenOptions, context: Context): Promise<Opened> {
  if (isUrl(text)) return openRemote(text, options, context)
  if (isKafkaUrl(text)) return openKafka(await kafkaPlace(text, context), options)
  if (!existsSync(text))
    throw usageError(
      `${text} is not there.`,
      'Give a data folder, an export (.dsse.jsonl), an http or a kafka address.',
    )
  return statSync(text).isDirectory() ? openFolder(text, options) : openExport(text, options)
}

/** What a ledger is called that nothing names. */
export const unknownLedger = 'unknown'

/** A ledger that the source does not have. */
export const noEntries = (ledger: string): OpenSource => ({ ledger, total: 0, async *entries() {} })

const readEntries = 512
const readBytesMax = 4 << 20

async function openFolder(dir: string, options: OpenOptions): Promise<Opened> {
  const reader = await openEmbeddedReader(dir, { deep: true }).catch(error => {
    if (!(error instanceof LogUnreadable)) throw error
    throw new CliError(
      exitCodes.undecided,
      error.message,
      'Name the data folder itself: the one that holds log/.',
      error,
    )
  })
  const listed = await reader.ledgers()
  const names = namesFrom(options, listed)
  const sources = await Promise.all(names.map(name => folderSource(reader, name, listed.includes(name))))
  return { about: dir, sources, tokens: () => reader.tokens(), close: () => reader.close() }
}

const namesFrom = ({ ledger, expected = [] }: OpenOptions, listed: readonly string[]): readonly string[] =>
  ledger === undefined ? [...new Set([...listed, ...expected])] : [ledger]

/** A ledger of a data folder, to its last entry, whatever its head says; an empty one where none is listed. */
async function folderSource(reader: EmbeddedReader, ledger: string, listed: boolean): Promise<OpenSource> {
  const { head, lastSeq = -1 } = await reader.extent(ledger)
  const end = lastSeq + 1
  const headFault = listed ? headFaultOf(head, lastSeq) : undefined
  return {
    ledger,
    total: end,
    ...(head && { head }),
    ...(headFault && { headFault }),
    async *entries(from) {
      for (let at = from; at < end; ) {
        const entries = await reader.read(ledger, at, Math.min(readEntries, end - at), readBytesMax)
        const last = entries.at(-1)
        if (last === undefined) return
        yield entries
        at = last.seq + 1
      }
    },
    record: digest => reader.record(digest),
  }
}

/** Head and entries are written together: at no moment do they disagree. */
function headFaultOf(head: Head | undefined, lastSeq: number): EntrySource['headFault'] {
  if (head === undefined) {
    const cause = 'The head that the store keeps of this ledger is damaged or missing.'
    const expected = lastSeq < 0 ? 'a head' : `a head at seq ${lastSeq}`
    return { remark: { code: 'source-head-unreadable', cause, expected } }
  }
  if (lastSeq <= head.seq) return undefined
  const cause = 'The store holds entries behind its own head.'
  const remark = { code: 'source-head', cause, expected: `seq ${head.seq} last`, found: `seq ${lastSeq}` } as const
  return { seq: head.seq + 1, remark }
}

/** An export file. Its ledger is the one that its first readable entry names; an empty file has none. */
async function openExport(path: string, options: OpenOptions): Promise<Opened> {
  let ledger = options.ledger
  let empty = ledger === undefined
  if (ledger === undefined) {
    for await (const entries of exportEntries(path, 0)) {
      empty = false
      ledger = entries.map(({ bytes }) => readFrame(bytes)?.ledger).find(name => name !== undefined)
      if (ledger !== undefined) break
    }
  }
  const source: OpenSource = {
    ledger: ledger ?? unknownLedger,
    entries: from => exportEntries(path, from),
  }
  const missing = (options.expected ?? []).filter(name => name !== source.ledger)
  const sources = [...(empty ? [] : [source]), ...missing.map(noEntries)]
  return { about: path, sources, close: () => Promise.resolve() }
}

/** The entries of an export; from a later place on by what the entries themselves say, since lines have no places. */
async function* exportEntries(path: string, from: number): AsyncGenerator<readonly SourceEntry[]> {
  try {
    for await (const lines of linesOf(bytesAgain(path), envelopeBytesMax)) {
      const entries = lines.map(entryOfLine)
      const wanted = from === 0 ? entries : entries.filter(({ bytes }) => (readFrame(bytes)?.seq ?? -1) >= from)
      if (wanted.length > 0) yield wanted
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === undefined ? error : unreadable(path, error as NodeJS.ErrnoException)
  }
}

async function openRemote(url: string, options: OpenOptions, context: Context): Promise<Opened> {
  const remote = remoteOf({ ...options, url }, context.env)
  const client = clientOf(remote, context.cancelled)
  const names = namesFrom(options, options.ledger === undefined ? await namesOf(client) : [])
  const sources = await Promise.all(
    names.map(name =>
      remoteSource(client, name, context).catch((error: unknown) => {
        const isMissing = error instanceof ProblemError && error.code === 'ledger-unknown'
        if (isMissing && options.expected?.includes(name)) return noEntries(name)
        throw error
      }),
    ),
  )
  return { about: remote.url, sources, close: () => Promise.resolve() }
}

const namesOf = async (client: Client): Promise<readonly string[]> =>
  (await client.json('/v1/ledgers', ledgerList)).items.map(({ ledger }) => ledger)

/** A record is asked for in the middle of a long reading, which one lost answer should not end. */
const recordTries = 4

async function remoteSource(client: Client, ledger: string, context: Context): Promise<OpenSource> {
  const { remote } = client
  const { head } = await client.json(ledgerPath(ledger), ledgerState)
  return {
    ledger,
    head: { seq: head.seq, leafHash: head.leaf_hash, recordedAt: head.recorded_at },
    total: head.seq + 1,
    async *entries(from) {
      const query = { from }
      const answer = await client.ask(ledgerPath(ledger, '/entries'), { query, headers: { accept: dsseLinesType } })
      if (answer.body !== null) yield* remoteEntries(answer.body, remote.url, context)
    },
    async record(_digest, seq) {
      try {
        const asking = { headers: { accept: '*/*' }, tries: recordTries }
        return await client.bytes(ledgerPath(ledger, `/entries/${seq}/record`), asking)
      } catch (error) {
        if (error instanceof ProblemError && error.status === 404) return undefined
        throw error
      }
    },
  }
}

/** An answer that breaks off is no end: the service says so, and no verdict is made of what came before. */
async function* remoteEntries(
  body: AsyncIterable<Uint8Array>,
  url: string,
  { cancelled }: Context,
): AsyncGenerator<readonly SourceEntry[]> {
  try {
    for await (const lines of linesOf(body, envelopeBytesMax)) yield lines.map(entryOfLine)
  } catch (error) {
    if (error instanceof CliError || cancelled.aborted) throw error
    throw new CliError(exitCodes.tryAgain, `${url} broke off before the end of the ledger.`, 'Try again.', error)
  }
}
