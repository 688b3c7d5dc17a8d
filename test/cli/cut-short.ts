import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { cliMain } from '../../infra/serve.ts'
import { openEmbeddedReader } from '../../src/log/embedded/open.ts'

/**
 * Starts a copy, and ends it by kill -9 as soon as entries of `default` lie in the log of `folder`, the target's or that of
 * its replica. Throws when the copy ended by itself.
 */
export async function cutShort(args: readonly string[], folder: string): Promise<void> {
  const child = spawn(process.execPath, [cliMain, 'copy', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  let isGone = false
  const gone = new Promise<void>(resolve =>
    child.on('exit', () => {
      isGone = true
      resolve()
    }),
  )
  while (!(await hasEntries(folder))) {
    if (isGone) throw new Error(`the copy ended before it was cut short: ${said}`)
    await sleep(5)
  }
  child.kill('SIGKILL')
  await gone
}

async function hasEntries(folder: string): Promise<boolean> {
  const reader = await openEmbeddedReader(folder).catch(() => undefined)
  const head = await reader?.head('default')
  await reader?.close()
  return head !== undefined
}
