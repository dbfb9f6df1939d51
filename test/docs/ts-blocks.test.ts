import { describe, expect, test } from 'vitest'
import { readPrograms } from './ts-blocks.ts'

const block = (language: string, ...lines: string[]) => [`\`\`\`${language}`, ...lines, '```']
const document = (...parts: string[][]) => parts.flat().join('\n')

describe('readPrograms', () => {
  test('keeps the line numbers of the document', () => {
    const text = document(['# Title', ''], block('ts', 'const a = 1'), ['text'])

    expect(readPrograms(text)).toEqual([{ line: 3, source: '\n\n\nconst a = 1\n\n' }])
  })

  test('makes a program of each block, unless it continues the one before', () => {
    const text = document(
      block('ts', 'const a = 1'),
      block('ts', '// continues', 'const b = a'),
      block('ts', 'const a = 2'),
    )

    expect(
      readPrograms(text).map(({ line, source }) => [line, source.trim().split(/\n+/)]),
    ).toEqual([
      [1, ['const a = 1', '// continues', 'const b = a']],
      [8, ['const a = 2']],
    ])
  })

  test('leaves other languages alone, with what looks like a block in them', () => {
    const text = document(block('json', '{}'), block('', '```ts is how a block begins'), ['end'])

    expect(readPrograms(text)).toEqual([])
  })

  test.for([
    { name: 'that has no end', text: '```ts\nconst a = 1', message: /^line 1: .*no end/ },
    {
      name: 'that continues nothing',
      text: document(block('ts', '// continues')),
      message: /^line 1: .*continue/,
    },
  ])('throws for a block $name', ({ text, message }) => {
    expect(() => readPrograms(text)).toThrow(message)
  })
})
