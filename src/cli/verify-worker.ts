import { compileQuickly } from './compile-cache.ts'

/** A thread of `verify-pool.ts`. */
compileQuickly()
const { answer } = await import('./verify-thread.ts')
answer()
