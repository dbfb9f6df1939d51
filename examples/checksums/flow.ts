import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstOf, flow, not, succeeded } from 'reprise'
import { z } from 'zod'
import { addUp, compress, countWords, readList, toLine, verify, writeReport } from './tasks.ts'

const DATA = fileURLToPath(new URL('data', import.meta.url))

/** What is done with one file: checked, then looked at as what it is. */
const checkFile = flow(
  {
    name: 'file',
    input: z.object({
      dir: z.string(),
      path: z.string(),
      sha256: z.string(),
      failsOnce: z.string().nullable(),
    }),
  },
  (input) => {
    const file = { dir: input.dir, path: input.path }
    const { bytes, isText } = verify(input)
    const detail = firstOf(
      countWords.with({ if: isText })(file),
      compress.with({ if: not(isText) })(file),
    )
    return { path: input.path, bytes, detail }
  },
)

/** Checks all files of a list of checksums, and reports on each, also if some of them are damaged. */
export const checksums = flow(
  {
    name: 'checksums',
    input: z.object({
      /** Where the files are, and their list: `SHA256SUMS`. */
      dir: z.string().default(DATA),
      /** Where `report.txt` is written. */
      outDir: z.string().default(() => join(tmpdir(), 'reprise-checksums')),
      /** The file whose first check fails; null for none. */
      failsOnce: z.string().nullable().default('letters/ada.txt'),
    }),
  },
  (input) => {
    const list = readList({ dir: input.dir })
    const files = checkFile.map(
      list,
      ({ path, sha256 }) => ({ dir: input.dir, path, sha256, failsOnce: input.failsOnce }),
      { key: ({ path }) => path, tolerate: 0.5 },
    )
    const lines = toLine.map(files, (outcome, number) => ({ number, outcome }))
    return writeReport({ outDir: input.outDir, lines, sound: addUp({ files: succeeded(files) }) })
  },
)
