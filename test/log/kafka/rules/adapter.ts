import type { KafkaClient, KafkaProducer, KafkaWriter, NewRecord, Place } from '../../../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../../../src/log/kafka/kafkajs.ts'

/** Our adapter, as the tests of its rules use it: all that they know of its form stands here. */
export class Adapter {
  readonly client: KafkaClient

  private constructor(client: KafkaClient) {
    this.client = client
  }

  static async open(brokers: readonly string[]): Promise<Adapter> {
    return new Adapter(await kafkajsClient({ brokers }))
  }

  writer(id: string): Promise<KafkaWriter> {
    return this.client.writer(id)
  }

  brokers(): Promise<number> {
    return this.client.brokers()
  }

  producer(): Promise<KafkaProducer> {
    return this.client.producer()
  }

  bounds(topic: string): Promise<{ readonly low: number; readonly end: number }> {
    return this.client.bounds(at(topic))
  }

  /** Values of the committed records from an offset to the end. */
  async values(topic: string, from = 0): Promise<string[]> {
    const { end } = await this.bounds(topic)
    const found: string[] = []
    for await (const records of this.client.read(at(topic), from, end))
      for (const { value } of records) found.push(Buffer.from(value).toString())
    return found
  }

  /**
   * Commits, and waits until readers see it: Kafka answers a commit before its markers are written, and until they are the
   * last stable offset stays behind.
   */
  async commit(writer: KafkaWriter, all: readonly NewRecord[]): Promise<number> {
    const [end = 0] = (await writer.commit(all)).values()
    const { topic } = all[0] ?? at('')
    while ((await this.bounds(topic)).end <= end) await new Promise(resolve => setTimeout(resolve, 5))
    return end
  }

  close(): Promise<void> {
    return this.client.close()
  }
}

/** Partition 0 is the one that all of it happens in. */
const at = (topic: string): Place => ({ topic, partition: 0 })

export const records = (topic: string, values: readonly string[], key = 'key'): NewRecord[] =>
  values.map(value => ({ ...at(topic), key, value: Buffer.from(value), headers: {} }))
