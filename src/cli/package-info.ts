import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const schema = z.object({ version: z.string(), description: z.string() })

/** The folder that holds package.json: two above this file, in `src` as in `dist`. */
export const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** What package.json says of this package. */
export function readPackageInfo(): z.infer<typeof schema> {
  return schema.parse(JSON.parse(readFileSync(`${packageFolder}/package.json`, 'utf8')))
}
