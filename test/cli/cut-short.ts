import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cliMain } from '../../infra/serve.ts'

/**
 * Starts a copy, and ends it by kill -9 as soon as the log of `folder`, the target's or that of its replica, has grown to
 * `bytes`. Its size alone is looked at, so that nobody else has the log open. Throws when the copy ended by itself.
 */
export async function cutShort(args: readonly string[], folder: string, bytes: number): Promise<void> {
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
  const file = join(folder, 'log', 'data.mdb')
  while ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) < bytes) {
    if (isGone) throw new Error(`the copy ended before it was cut short: ${said}`)
    await sleep(2)
  }
  child.kill('SIGKILL')
  await gone
}
