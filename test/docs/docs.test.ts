import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readPrograms } from './ts-blocks.ts'
import { type Doc, ROOT, typeErrors } from './type-check.ts'

const TSC_TIMEOUT_MS = 120_000

async function readDocs(): Promise<Doc[]> {
  const pages = (await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md'))
  const paths = ['README.md', ...pages.sort().map((name) => `docs/${name}`)]
  return await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(ROOT, path), 'utf8') })),
  )
}

const docs = await readDocs()

describe('the documentation', () => {
  test('has TypeScript blocks', () => {
    const withBlocks = docs.filter(({ text }) => readPrograms(text).length > 0)

    expect(withBlocks.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['README.md', 'docs/flows.md', 'docs/policies.md', 'docs/workers.md']),
    )
  })

  test('has only blocks that compile', { timeout: TSC_TIMEOUT_MS }, async () => {
    expect(await typeErrors(docs)).toEqual([])
  })
})

describe('typeErrors', () => {
  test('names the document and the line', { timeout: TSC_TIMEOUT_MS }, async () => {
    const text = "# Title\n\n```ts\nimport { task } from 'reprise'\n\ntask({ name: 1 })\n```\n"

    const errors = await typeErrors([{ path: 'docs/example.md', text }])

    expect(errors[0]).toMatch(/^docs\/example\.md:6:\d+: error TS/)
  })
})
