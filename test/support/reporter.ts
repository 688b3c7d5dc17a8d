import { spec } from 'node:test/reporters'

/**
 * The test runner's own report, and a last line that people and CI read: `N passed, N failed, N skipped`.
 * Skips are printed once more with their reasons, so that none goes unseen. Suites are not counted, tests are.
 */

interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name?: string
    readonly file?: string
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly details?: { readonly type?: string }
  }
}

// node:test takes a reporter as a default export only
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const count = { passed: 0, failed: 0, skipped: 0 }
  const skips: string[] = []
  const report = new spec()
  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { name = '', skip, todo, details } = event.data
      if (skip !== undefined && skip !== false) {
        count.skipped += 1
        skips.push(`${name}: ${skip === true ? 'no reason given' : skip}`)
      } else if (details?.type !== 'suite') {
        if (event.type === 'test:pass' && todo === undefined) count.passed += 1
        else count.failed += 1
      }
    }
    report.write(event)
    for (let text = report.read(); text !== null; text = report.read()) yield String(text)
  }
  report.end()
  for await (const text of report) yield String(text)
  for (const skip of skips) yield `skipped: ${skip}\n`
  yield `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`
}
