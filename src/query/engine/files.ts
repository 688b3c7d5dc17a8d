import { createHash } from 'node:crypto'
import { databaseDefault, type Login } from '../server.ts'
import { readerSettings } from '../settings.ts'
import type { EngineSecrets } from './launch.ts'

/** What one start of the engine is told, for its two configuration files. */
export interface EngineFiles extends EngineSecrets {
  /** Where users.xml will be. */
  readonly usersPath: string
  readonly memoryBytesMax: number
  /** What `/alive` answers, so that our engine is known from another process on its port before a password is sent. */
  readonly nonce: string
}

/** config.xml. Pools and caches are cut for two cores; the server's defaults hold hundreds of threads and gigabytes. */
export const configXml = ({ usersPath, memoryBytesMax, path, nonce }: EngineFiles): string => `<clickhouse>
  <logger><level>none</level></logger>
  <user_directories replace="1"><users_xml><path>${escaped(usersPath)}</path></users_xml></user_directories>
  <max_server_memory_usage>${memoryBytesMax}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>33554432</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <mmap_cache_size>100</mmap_cache_size>
  <max_thread_pool_size>200</max_thread_pool_size>
  <max_thread_pool_free_size>8</max_thread_pool_free_size>
  <max_io_thread_pool_size>8</max_io_thread_pool_size>
  <max_active_parts_loading_thread_pool_size>2</max_active_parts_loading_thread_pool_size>
  <max_outdated_parts_loading_thread_pool_size>2</max_outdated_parts_loading_thread_pool_size>
  <max_parts_cleaning_thread_pool_size>2</max_parts_cleaning_thread_pool_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <http_handlers>
    <rule>
      <url>/alive</url>
      <handler><type>static</type><status>200</status><response_content>${nonce}</response_content></handler>
    </rule>
    ${queryHandlers(path)}
  </http_handlers>
</clickhouse>
`

/** A path is a secret that every query has to name: who does not know it does not even get to log in. */
const queryHandlers = (path: string): string =>
  path === ''
    ? '<defaults/>'
    : `<rule>
      <url>/${path}</url>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>`

/**
 * users.xml. \`default\` is the engine's own: it starts the listener, the library logs it in without a password, and no
 * setting can change that; its grants end there, and the secret path keeps strangers from it. Where the writer is \`default\`,
 * anybody on this machine is.
 */
export const usersXml = ({ writer, reader }: EngineFiles): string => `<clickhouse>
  <profiles>
    <default/>
    <writer><max_threads>2</max_threads></writer>
    <reader>
      ${Object.entries(readerSettings)
        .map(([name, value]) => `<${name}>${value}</${name}>`)
        .join('\n      ')}
      <max_threads>2</max_threads>
    </reader>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <no_password/>
      ${access('default', writer.username === 'default' ? [...ownGrants, ...writerGrants] : ownGrants)}
    </default>
    ${writer.username === 'default' ? '' : user(writer, 'writer', writerGrants)}
    ${user(reader, 'reader', [`SELECT ON ${databases}`])}
  </users>
</clickhouse>
`

/** Ours, and those of others whose names begin alike: installations that share an engine have one each. */
const databases = `${databaseDefault}*.*`

const ownGrants = ['SYSTEM LISTEN ON *.*', 'SELECT ON system.numbers']

const writerGrants = [
  `SELECT, INSERT, ALTER, CREATE DATABASE, DROP DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE ON ${databases}`,
  'TABLE ENGINE ON MergeTree',
  'TABLE ENGINE ON ReplacingMergeTree',
  'TABLE ENGINE ON SummingMergeTree',
  'TABLE ENGINE ON AggregatingMergeTree',
  'SELECT ON system.parts',
  'SELECT ON system.clusters',
]

const user = ({ username, password }: Login, profile: string, grants: readonly string[]): string =>
  `<${username}>
      <password_sha256_hex>${sha256(password)}</password_sha256_hex>
      ${access(profile, grants)}
    </${username}>`

const access = (profile: string, grants: readonly string[]): string =>
  `<networks><ip>127.0.0.1</ip></networks>
      <profile>${profile}</profile>
      <quota>default</quota>
      <grants>${grants.map(grant => `<query>GRANT ${grant}</query>`).join('')}</grants>`

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
