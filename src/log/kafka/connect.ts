/**
 * The one place that says which client speaks to Kafka: whoever swaps it writes another `KafkaClient`, and names it here. What
 * it throws is `KafkaRefused` where the cluster refused this client, or `refusalOf` finds that it comes to that.
 */
export { kafkajsClient as connectKafka } from './kafkajs.ts'
export { refusalOf } from './kafkajs-refusal.ts'
