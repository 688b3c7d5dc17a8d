import { readFileSync, writeFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { exitCodes } from '../src/cli/exit.ts'
import { buildProgram } from '../src/cli/program.ts'
import { Output } from '../src/cli/terminal.ts'
import { axes, type FindingCode, findingKinds } from '../src/verify/findings.ts'

/**
 * Writes `docs/cli.md` from the commands' own help, and the table of findings in `docs/verify.md` from the verifier's. A
 * test makes them again and compares.
 */

const root = fileURLToPath(new URL('..', import.meta.url))

/** Every generated file as it has to be, by its path in the repository. */
export function generatedCli(): ReadonlyMap<string, string> {
  const verify = readFileSync(`${root}docs/verify.md`, 'utf8')
  return new Map([
    ['docs/cli.md', cliPage()],
    ['docs/verify.md', between(verify, 'findings', findingsTables())],
  ])
}

function cliPage(): string {
  const sink = new Output(new PassThrough(), {})
  const program = buildProgram({
    env: {},
    out: sink,
    err: sink,
    stdin: new PassThrough(),
    cancelled: new AbortController().signal,
    patienceMs: 0,
    exitCode: exitCodes.ok,
  })
  const verbs = commandsOf(program).filter(([name]) => name !== 'aep-ledger complete')
  const list = verbs.slice(1).map(([name, verb]) => `- [\`${name}\`](#${anchor(name)}): ${gistOf(verb)}`)
  return `# The command line

In a checkout: \`npm run -s aep-ledger -- VERB\`. This page is what \`--help\` prints, made by \`node infra/generate-cli-docs.ts\`.

${list.join('\n')}

${verbs.map(([name, verb]) => `## ${name}\n\n\`\`\`text\n${helpOf(verb)}\n\`\`\`\n`).join('\n')}`
}

/** A command and all below it, by their whole names. */
function commandsOf(command: Command, before = ''): [string, Command][] {
  const name = `${before}${command.name()}`
  return [[name, command], ...command.commands.flatMap(verb => commandsOf(verb, `${name} `))]
}

/** What `--help` prints, the texts after the options included. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: part => (text += part) })
  command.outputHelp()
  return text
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
    .trim()
}

const gistOf = (verb: Command): string => verb.summary() || verb.description().replace(/[.:] .*|\.$/, '')

const anchor = (name: string): string => name.replaceAll(' ', '-')

function findingsTables(): string {
  const codes = Object.keys(findingKinds) as FindingCode[]
  const tables = axes.map(axis => {
    const rows = codes
      .filter(code => findingKinds[code].axis === axis)
      .map(code => {
        const { severity, title, meaning, todo } = findingKinds[code]
        return `| \`${code}\` | ${severity} | ${title}. ${meaning} | ${todo} |`
      })
    return `### ${axis}\n\n| code | severity | what it says | what to do |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
  })
  return tables.join('\n')
}

/** `text` with what stands between its marks of \`name\` put anew. */
function between(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`there are no marks of ${name}`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}

if (import.meta.main) for (const [path, text] of generatedCli()) writeFileSync(`${root}${path}`, text)
