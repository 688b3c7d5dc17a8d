import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type FaultCode, faults } from '../src/base/fault.ts'
import { openapi } from '../src/contract/openapi.ts'
import { type Operation, operations } from '../src/contract/operations.ts'
import { settings } from '../src/service/config.ts'
import type { Setting } from '../src/service/setting.ts'

/**
 * Writes what documents are made from tables: `docs/faults.md`, the table of routes in `docs/http.md`, and
 * `schemas/openapi.json`. A test makes them again and compares, so that neither side goes its own way.
 */

const root = fileURLToPath(new URL('..', import.meta.url))

/** Every generated file as it has to be, by its path in the repository. */
export function generated(): ReadonlyMap<string, string> {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }
  return new Map([
    ['schemas/openapi.json', `${JSON.stringify(openapi(version), null, 2)}\n`],
    ['docs/faults.md', faultsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/http.md', between(readFileSync(`${root}docs/http.md`, 'utf8'), 'routes', routesTable())],
  ])
}

function faultsPage(): string {
  const rows = (Object.keys(faults) as FaultCode[]).map(code => {
    const { status, title, retry, hint } = faults[code]
    return [`\`${code}\``, String(status), retry ? 'yes' : 'no', `${title}.`, hint]
  })
  return `# Faults

Every failure of the service is one of these. Over HTTP it comes as an RFC 9457 problem (\`application/problem+json\`) whose
\`code\` is the name in the first column and whose \`type\` is \`/problems/{code}\`, where the running service explains it;
\`errors\` lists each place that is wrong. _Again_ says whether the same request, unchanged, may succeed later: such an answer
carries \`Retry-After\`.

This page is made from \`src/base/fault.ts\` by \`npm run generate\`.

${table(['code', 'status', 'again', 'what it is', 'what to do'], rows)}
`
}

function configurationPage(): string {
  const rows = Object.entries<Setting>(settings).map(
    ([name, { fallback = '', secret, says }]) =>
      `| \`AEP_LEDGER_${name}\`${secret ? ' (or `…_FILE`)' : ''} | ${fallback === '' ? '' : `\`${fallback}\``} | ${says} |`,
  )
  return `# Configuration

The service is configured by environment variables. Everything that is wrong is said at once when it starts, and a variable
that nobody knows is warned of; \`aep-ledger config\` prints what is in force and ends. A secret may be given as a file:
\`AEP_LEDGER_ADMIN_TOKEN_FILE=/run/secrets/token\`.

This page is made from \`src/service/config.ts\` and \`src/service/kafka-settings.ts\` by \`npm run generate\`.

| variable | default | what it is |
| --- | --- | --- |
${rows.join('\n')}

The clients (\`aep-ledger emit\`, \`query\` and so on) read \`AEP_LEDGER_URL\` (\`http://127.0.0.1:8080\`), \`AEP_LEDGER_TOKEN\` and
\`AEP_LEDGER_LEDGER\` (\`default\`).
`
}

function routesTable(): string {
  const rows = Object.values<Operation>(operations).map(({ method, path, role, summary }) => {
    return [`\`${method}\``, `\`${path}\``, role === 'none' ? '-' : role, summary]
  })
  return table(['', 'route', 'role', ''], rows)
}

/** A table in Markdown, its columns as wide as what stands in them: as the formatter leaves it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, n) => Math.max(3, ...[head, ...rows].map(row => row[n]?.length ?? 0)))
  const line = (row: readonly string[]) => `| ${widths.map((width, n) => (row[n] ?? '').padEnd(width)).join(' | ')} |`
  return [head, widths.map(width => '-'.repeat(width)), ...rows].map(line).join('\n')
}

/** `page` with what stands between `<!-- name -->` and `<!-- /name -->` replaced. */
function between(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`the page has no place for ${name}`)
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`
}

if (import.meta.main) for (const [path, text] of generated()) writeFileSync(root + path, text)
