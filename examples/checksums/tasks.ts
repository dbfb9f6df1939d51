import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { NonRetryable, policy, task } from 'reprise'
import { z } from 'zod'

const fileSchema = z.object({ dir: z.string(), path: z.string() })

/** Reads the list of a folder's checksums, in the format of `sha256sum`. */
export const readList = task(
  { name: 'read-list', input: z.object({ dir: z.string() }) },
  async ({ dir }) => {
    const text = await readFile(join(dir, 'SHA256SUMS'), 'utf8')
    return [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, sha256 = '', path = '']) => {
      return { sha256, path }
    })
  },
)

/** Checks one file. The first attempt at the file `failsOnce` fails. */
export const verify = task(
  {
    name: 'verify',
    input: fileSchema.extend({ sha256: z.string(), failsOnce: z.string().nullable() }),
    retry: policy.constant({ delay: '200ms', maxRetries: 3 }),
  },
  async ({ dir, path, sha256, failsOnce }, ctx) => {
    if (path === failsOnce && ctx.attempt === 1) throw new Error(`${path} is locked`)
    const content = await readFile(join(dir, path))
    const found = createHash('sha256').update(content).digest('hex')
    if (found !== sha256) throw new NonRetryable(`${path} is damaged`)
    return { bytes: content.length, isText: !content.includes(0) }
  },
)

export const countWords = task(
  { name: 'count-words', input: fileSchema },
  async ({ dir, path }) => {
    const text = await readFile(join(dir, path), 'utf8')
    return `${text.split(/\s+/).filter(Boolean).length} words`
  },
)

export const compress = task({ name: 'compress', input: fileSchema }, async ({ dir, path }) => {
  return `${gzipSync(await readFile(join(dir, path))).length} bytes compressed`
})

/** What is known of a file that is as it should be. */
const factsSchema = z.object({ path: z.string(), bytes: z.int(), detail: z.string() })

/** How the check of a file ended. */
const outcomeSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), value: factsSchema }),
  z.object({
    status: z.enum(['failed', 'upstream_failed', 'skipped', 'cancelled']),
    error: z.object({ error: z.object({ message: z.string() }) }).nullable(),
  }),
])

/** A line of the report, also of a file that is damaged. */
export const toLine = task(
  { name: 'to-line', input: z.object({ number: z.int(), outcome: outcomeSchema }) },
  ({ number, outcome }) => {
    if (outcome.status !== 'succeeded') {
      return `${number}. ${outcome.error?.error.message ?? outcome.status}`
    }
    const { path, bytes, detail } = outcome.value
    return `${number}. ${path}: ${bytes} bytes, ${detail}`
  },
)

export const addUp = task(
  { name: 'add-up', input: z.object({ files: z.array(factsSchema) }) },
  ({ files }) => ({
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  }),
)

/** Writes the report. The file appears whole or not at all, so a repeated attempt does no harm. */
export const writeReport = task(
  {
    name: 'write-report',
    input: z.object({
      outDir: z.string(),
      lines: z.array(z.string()),
      sound: z.object({ files: z.int(), bytes: z.int() }),
    }),
  },
  async ({ outDir, lines, sound }, ctx) => {
    const file = join(outDir, 'report.txt')
    const draft = `${file}.${ctx.run.id}.draft`
    const last = `${sound.files} of ${lines.length} files are sound, ${sound.bytes} bytes`
    await mkdir(outDir, { recursive: true })
    await writeFile(draft, [...lines, last, ''].join('\n'))
    await rename(draft, file)
    return { file }
  },
)
