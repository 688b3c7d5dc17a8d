import { setImmediate as nextTurn } from 'node:timers/promises'
import { type KafkaClient, type NewRecord, type Place, sendBytesMax, sendRecordsMax, sizeOf } from './client.ts'
import { type IntakeJob, intakeRecord, jobsOf } from './intake-record.ts'

import { Sender } from './sender.ts'

interface Waiting {
  readonly record: NewRecord
  readonly resolve: (offset: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * Puts jobs into one partition of the intake topic. What comes in while a send is under way travels in the next, so that one
 * send is outstanding and jobs keep the order in which they came.
 */
export class IntakeSender {
  readonly #place: Place
  readonly #prefix: string
  readonly #key: Uint8Array
  readonly #sender: Sender
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(client: KafkaClient, place: Place, prefix: string, key: Uint8Array) {
    this.#place = place
    this.#prefix = prefix
    this.#key = key
    this.#sender = new Sender(client)
  }

  /** Offsets of the records that hold the job, once they are durable. Rejects when nobody knows whether they are. */
  put(job: IntakeJob): Promise<readonly number[]> {
    const records = [...jobsOf(job)].map(part => intakeRecord(this.#place, this.#prefix, this.#key, part))
    const offsets = records.map(
      record => new Promise<number>((resolve, reject) => this.#waiting.push({ record, resolve, reject })),
    )
    this.#running ??= this.#run()
    return Promise.all(offsets)
  }

  async close(): Promise<void> {
    await this.#running
    await this.#sender.close()
  }

  async #run(): Promise<void> {
    // A turn of the event loop lets requests that arrived together travel together.
    await nextTurn()
    while (this.#waiting.length > 0) {
      const group = this.#group()
      try {
        const first = await this.#sender.send(group.map(({ record }) => record))
        for (const [n, { resolve }] of group.entries()) resolve(first + n)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#running = undefined
  }

  #group(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { record } of this.#waiting) {
      bytes += sizeOf(record)
      if (count > 0 && (bytes > sendBytesMax || count === sendRecordsMax)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }
}
