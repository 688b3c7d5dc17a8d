import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from '../serve.ts'
import { Complaint } from './ask.ts'
import type { ToolName, Tools } from './tools.ts'

/** One kind of check of the deployment files, and the faults that show that it can fail. */
export interface Check {
  readonly name: string
  readonly tools: readonly ToolName[]
  /** Checks the files under `root`. Throws `Complaint`. */
  run(root: string, tools: Tools): Promise<void>
  readonly planted: readonly Planted[]
}

/** A fault: `from` is replaced by `to` in the file at `path`, and the complaint has to name it. */
export interface Planted {
  readonly path: string
  readonly from: string
  readonly to: string
  readonly complaint: RegExp
}

const checkedFiles = ['Dockerfile', '.dockerignore', 'package.json', 'src/service/config.ts', 'infra', 'docs']

/** Plants a fault in a copy of what is checked. Throws when the fault no longer fits, or isn't complained of. */
export async function seekPlanted(check: Check, planted: Planted, tools: Tools): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'aep-ledger-planted-'))
  const about = `the fault planted in ${planted.path} (${JSON.stringify(planted.to)})`
  try {
    for (const path of checkedFiles) {
      cpSync(join(repository, path), join(root, path), { recursive: true, verbatimSymlinks: true })
    }
    const file = join(root, planted.path)
    const text = readFileSync(file, 'utf8')
    const changed = text.replace(planted.from, () => planted.to)
    if (changed === text) throw new Complaint(`${about} no longer fits: there is no ${JSON.stringify(planted.from)}`)
    writeFileSync(file, changed)
    const said = await complaintOf(check, root, tools)
    if (said === undefined) throw new Complaint(`${about} was not found`)
    if (!planted.complaint.test(said)) throw new Complaint(`${about} was found as something else: ${said}`)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function complaintOf(check: Check, root: string, tools: Tools): Promise<string | undefined> {
  try {
    await check.run(root, tools)
    return undefined
  } catch (error) {
    if (error instanceof Complaint) return error.message
    throw error
  }
}

/** Throws the complaints together, where there are any. */
export function demandNone(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Complaint(complaints.join('\n'))
}

/** For a linter that reads files alone: `use` is given one that holds `text`. */
export async function withFile(name: string, text: string, use: (path: string) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'aep-ledger-lint-'))
  try {
    writeFileSync(join(folder, name), text)
    await use(join(folder, name))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
