import { parseArgs } from 'node:util'
import { whole } from '../arguments.ts'
import { type RunningKafka, startKafka } from './start.ts'

const help = `npm run kafka -- [--brokers 1|3] [--port N] [--dir DIR]

A real Apache Kafka 4 (KRaft) on 127.0.0.1, for development and tests. It needs Java 17 or newer, and at the first
start Maven, which fetches it from Maven Central into ~/.cache/aep-ledger (AEP_LEDGER_CACHE_DIR: another folder).
When it takes requests it prints its bootstrap address on one line. Ctrl-C or SIGTERM ends it; its data stays.

  --brokers 1|3  one broker, or three with replication 3 and two in-sync replicas (1)
  --port N       port of the first broker; the others take the next ones (free ones)
  --dir DIR      folder of its data (./data/kafka)

Example: npm run kafka -- --brokers 3 --port 9092 --dir /tmp/kafka
`

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function brokersOf(text: string): 1 | 3 {
  if (text === '1') return 1
  if (text === '3') return 3
  throw new TypeError(`--brokers is 1 or 3, and not ${text}`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      brokers: { type: 'string', default: '1' },
      port: { type: 'string' },
      dir: { type: 'string', default: './data/kafka' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(help)
  const brokers = brokersOf(values.brokers)
  const port = values.port === undefined ? {} : { port: whole('--port', values.port, 1, 65_535) }

  const ended = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => ended.abort())
  let left: number = brokers
  const onDeath = (broker: number, why: string): void => {
    say(`Broker ${broker} is gone: ${why}`)
    left -= 1
    if (left > 0) return
    process.exitCode = 1
    ended.abort()
  }
  let kafka: RunningKafka
  try {
    kafka = await startKafka({ brokers, ...port, dir: values.dir, say, onDeath, signal: ended.signal })
  } catch (error) {
    if (ended.signal.aborted) return
    throw error
  }
  process.stdout.write(`Kafka listens on ${kafka.bootstrap.join(',')}\n`)
  // Ended while the last line was on its way: there is no event to come.
  if (!ended.signal.aborted) await new Promise(resolve => ended.signal.addEventListener('abort', resolve))
  await kafka.stop()
}

try {
  await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof TypeError ? 2 : 1
}
