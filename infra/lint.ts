import { Missing } from './kafka/java.ts'
import { Complaint } from './lint/ask.ts'
import { chartCheck } from './lint/chart.ts'
import { type Check, seekPlanted } from './lint/check.ts'
import { composeCheck } from './lint/compose.ts'
import { dashboardCheck } from './lint/dashboard.ts'
import { dockerfileCheck } from './lint/dockerfile.ts'
import { prometheusCheck } from './lint/prometheus.ts'
import { type ToolName, type Tools, toolFolder } from './lint/tools.ts'
import { valuesCheck } from './lint/values.ts'
import { repository } from './serve.ts'

/**
 * npm run lint:infra: the deployment files, each by the linter of its kind. Every check is then shown faults, planted in a
 * copy, and fails itself where it doesn't find one. Linters are fetched once from package registries into the cache; what
 * the machine can't have (no Go, no Python) is skipped and counted, and in CI a failure.
 */

const checks = [dockerfileCheck, composeCheck, prometheusCheck, dashboardCheck, chartCheck, valuesCheck]
const isCi = (process.env['CI'] ?? '') !== ''
const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Folders of the tools, or why there are none. Each is asked for once. */
const asked = new Map<ToolName, Promise<string>>()
function askedFor(name: ToolName): Promise<string> {
  const folder = asked.get(name) ?? toolFolder(name, say)
  asked.set(name, folder)
  return folder
}

/** Why a check can't be made here; otherwise its tools. */
async function toolsOf(check: Check): Promise<Tools | Missing> {
  const folders: Partial<Record<ToolName, string>> = {}
  for (const name of check.tools) {
    try {
      folders[name] = await askedFor(name)
    } catch (error) {
      if (error instanceof Missing) return error
      throw error
    }
  }
  return folders as Tools
}

let [passed, failed, skipped, found] = [0, 0, 0, 0]

async function attempt(what: string, work: Promise<void>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (!(error instanceof Complaint)) throw error
    say(`FAILED ${what}: ${error.message}`)
    return false
  }
}

for (const check of checks) {
  const tools = await toolsOf(check)
  if (tools instanceof Missing) {
    skipped += 1
    say(`SKIPPED ${check.name}: ${tools.message}`)
    continue
  }
  let isGood = await attempt(check.name, check.run(repository, tools))
  // A check that complains of the files themselves finds anything in a copy of them.
  for (const planted of isGood ? check.planted : []) {
    if (await attempt(check.name, seekPlanted(check, planted, tools))) found += 1
    else isGood = false
  }
  if (isGood) passed += 1
  else failed += 1
  if (isGood) say(`ok ${check.name}, and ${check.planted.length} planted faults found`)
}
say(`${passed} checks passed, ${failed} failed, ${skipped} skipped; ${found} planted faults found`)
if (skipped > 0) say(`What was skipped was not looked at at all${isCi ? ', which CI takes for a failure' : ''}.`)
process.exitCode = failed > 0 || (isCi && skipped > 0) ? 1 : 0
