import { mkdirSync, writeFileSync } from 'node:fs'
import { vectorFolder } from './folder.ts'

/** Writes the stored vectors anew: `node test/vectors/generate.ts`. A test compares them with what this would write. */
for (const [path, text] of vectorFolder()) {
  const file = new URL(`own/${path}`, import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, text)
}
