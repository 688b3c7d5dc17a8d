import type { TokenRecord } from '../log/control.ts'
import type { Admission } from './admission.ts'
import type { TokenBook } from './auth.ts'
import type { HttpMetrics } from './metrics.ts'
import type { AppPorts } from './ports.ts'
import type { RateLimiter } from './rate.ts'
import type { Streams } from './streams.ts'

/** What the routes of one app share. */
export interface Kit {
  readonly ports: AppPorts
  readonly tokens: TokenBook
  readonly rate: RateLimiter
  readonly admission: Admission
  readonly streams: Streams
  readonly metrics: HttpMetrics
  /** Whether the app takes nothing more. */
  readonly closing: () => boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; undefined on routes that ask for no token. Set by `guard`. */
    caller: TokenRecord | undefined
    /** Parameters of path and query, read by the operation's shapes. Set by `guard`. */
    input: unknown
    /** The media type that the answer will have, out of those that the route offers. Set by `guard`. */
    answerType: string
  }
}
