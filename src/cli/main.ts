#!/usr/bin/env node
import { compileQuickly } from './compile-cache.ts'

/** `aep-ledger`. Everything else is loaded behind the cache of compiled code, which halves the time to the first word. */
compileQuickly()
const { run } = await import('./run.ts')
await run()
