import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { flow } from 'reprise'
import { z } from 'zod'
import { REGIONS } from './orders.ts'
import { combine, extract, extractRates, load, transform } from './tasks.ts'

const DATA = fileURLToPath(new URL('data', import.meta.url))

/** Extract, transform, load: a branch for each region, joined into one file. */
export const etl = flow(
  {
    name: 'etl',
    input: z.object({
      /** Where the regions' files are. */
      dataDir: z.string().default(DATA),
      /** Where `revenue.csv` is written. */
      outDir: z.string().default(() => join(tmpdir(), 'reprise-etl')),
      /** The region whose first transformation fails; null for none. */
      failsOnce: z.enum(REGIONS).nullable().default('south'),
    }),
  },
  (input) => {
    const rates = extractRates({ dir: input.dataDir })
    const parts = REGIONS.map((region) => {
      const orders = extract.with({ key: `extract-${region}` })({ dir: input.dataDir, region })
      return transform.with({ key: `transform-${region}` })({
        region,
        orders,
        rates,
        failsOnce: input.failsOnce,
      })
    })
    return load({ outDir: input.outDir, table: combine({ parts }) })
  },
)
