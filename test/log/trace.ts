/** One system call of a `strace -f -y` line, where it ended; `begun` lines are where a longer one began. */
interface Call {
  readonly name: string
  readonly descriptor: string
  readonly path: string
  readonly text: string
  readonly begun: boolean
}

/** The calls of a trace in order. A call that another thread's line cut in two counts where it ended. */
export function callsOf(trace: string): Call[] {
  const begun = new Map<string, string>()
  const calls: Call[] = []
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const text = resumed === null ? rest : (begun.get(thread) ?? '') + (resumed[1] ?? '')
    const parts = /^(\w+)\((\d+)<([^>]*)>/.exec(text)
    if (rest.endsWith('<unfinished ...>')) begun.set(thread, rest.slice(0, -'<unfinished ...>'.length))
    const [, name = '', descriptor = '', path = ''] = parts ?? []
    if (parts !== null) calls.push({ name, descriptor, path, text, begun: rest.endsWith('<unfinished ...>') })
  }
  return calls
}

/** Descriptors that a file was opened under for synchronous writing. */
export const synchronous = (trace: string, file: string): Set<string> =>
  new Set(
    [...trace.matchAll(/openat\([^"]*"([^"]*)", ([^)]*)\) = (\d+)/g)]
      .filter(([, path, flags]) => path?.endsWith(file) && /O_D?SYNC/.test(flags ?? ''))
      .map(([, , , descriptor]) => descriptor ?? ''),
  )

/**
 * What stands in the way of believing that every answer (what `answer` matches, written to descriptor 1) followed the sync
 * of what it is about: for each, since the answer before, pages written to `file`, a sync of it after the last of them,
 * and then the meta page through a synchronous descriptor. All of them ended before the answer began.
 */
export function unsyncedAnswers(trace: string, file: string, answer: RegExp): string[] {
  const meta = synchronous(trace, file)
  const complaints: string[] = []
  let answers = 0
  let state: 'nothing' | 'written' | 'synced' | 'durable' = 'nothing'
  for (const call of callsOf(trace)) {
    if (call.name === 'write' && call.descriptor === '1' && answer.test(call.text)) {
      answers += 1
      if (state !== 'durable') complaints.push(`answer ${answers}: what it is about was ${state}`)
      state = 'nothing'
    }
    if (!call.path.endsWith(file) || call.begun) continue
    if (/^(fdatasync|fsync)$/.test(call.name) && call.text.endsWith('= 0') && state === 'written') state = 'synced'
    if (!/^p?writev?(64)?$/.test(call.name)) continue
    if (!meta.has(call.descriptor)) state = 'written'
    else if (state === 'synced') state = 'durable'
  }
  return answers === 0 ? ['there is no answer in the trace'] : complaints
}
