import { task } from 'reprise'
import { z } from 'zod'

export const shout = task({ name: 'shout', input: z.object({ text: z.string() }) }, ({ text }) =>
  text.toUpperCase(),
)
