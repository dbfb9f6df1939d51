import { z } from 'zod'
import { RepriseError } from '../core/errors.ts'
import { fromJsonText, type Json } from '../core/json.ts'
import { deepFreeze } from './deep-freeze.ts'
import {
  GRAPH_VERSION,
  type Graph,
  type ItemSource,
  MAX_NODES,
  MAX_UPSTREAMS,
  type Template,
} from './graph.ts'
import { structureProblems } from './graph-structure.ts'
import { lockSchema } from './names.ts'
import { isTolerance } from './tolerance.ts'
import { isTrigger, type Trigger } from './trigger.ts'

const indexSchema = z.int().min(0)
const pathSchema = z.array(z.union([z.string(), indexSchema]))
const upstreamsSchema = z.array(indexSchema)

/** A type guard of data that `JSON.parse` gave, which is why it needs no look inside. */
const jsonSchema = z.custom<Json>((value) => value !== undefined)

const scalarSchema = z.union([z.string(), z.number(), z.boolean(), z.null()])

const ITEM_SOURCE = /^(?:item|index):(?:0|[1-9]\d{0,8})$/
const itemSourceSchema = z.custom<ItemSource>(
  (value) => typeof value === 'string' && ITEM_SOURCE.test(value),
)

const templateSchema: z.ZodType<Template> = z.lazy(() =>
  z.union([
    z.strictObject({ lit: jsonSchema }),
    z.strictObject({
      ref: z.union([indexSchema, z.literal('input'), itemSourceSchema]),
      path: pathSchema,
    }),
    z.strictObject({ obj: z.record(z.string(), templateSchema) }),
    z.strictObject({ arr: z.array(templateSchema) }),
    z.strictObject({ is: templateSchema, to: scalarSchema }),
    z.strictObject({ not: templateSchema }),
    z.strictObject({ and: z.array(templateSchema) }),
    z.strictObject({ or: z.array(templateSchema) }),
  ]),
)

const everyNode = { key: z.string(), map: indexSchema.exactOptional() }

const workNode = {
  ...everyNode,
  input: templateSchema,
  trigger: z.custom<Trigger>(isTrigger, { error: 'expected a trigger' }),
  skipOnUpstreamSkip: z.boolean().exactOptional(),
  if: templateSchema.exactOptional(),
  upstreams: upstreamsSchema,
  queue: z.string().exactOptional(),
  priority: z.int().min(0).exactOptional(),
  delayMs: z.int().min(1).exactOptional(),
  maxCrashes: z.int().min(0).exactOptional(),
}

const taskNodeSchema = z.strictObject({
  ...workNode,
  kind: z.literal('task'),
  task: z.string(),
  lock: lockSchema.exactOptional(),
})

const runNodeSchema = z.strictObject({
  ...workNode,
  kind: z.literal('run'),
  child: z.strictObject({
    flow: z.string(),
    queue: z.string().exactOptional(),
    priority: z.int().min(0).exactOptional(),
  }),
})

const virtualNodeSchema = z.strictObject({
  ...everyNode,
  kind: z.enum(['gate', 'join', 'first', 'settled', 'succeeded']),
  upstreams: upstreamsSchema,
  paths: z.array(pathSchema).exactOptional(),
})

const mapNodeSchema = z.strictObject({
  ...everyNode,
  kind: z.literal('map'),
  items: templateSchema,
  itemKey: templateSchema.exactOptional(),
  maxItems: z.int().min(1).max(MAX_UPSTREAMS),
  upstreams: upstreamsSchema,
})

const groupNodeSchema = z.strictObject({
  ...everyNode,
  kind: z.literal('group'),
  tolerate: z.custom<number>(isTolerance, { error: 'expected a tolerance' }).exactOptional(),
  upstreams: z.tuple([indexSchema, indexSchema]),
})

const itemNodeSchema = z.strictObject({
  ...everyNode,
  kind: z.literal('item'),
  output: templateSchema,
  upstreams: upstreamsSchema,
})

const nodeSchema = z.discriminatedUnion('kind', [
  taskNodeSchema,
  runNodeSchema,
  mapNodeSchema,
  virtualNodeSchema,
  groupNodeSchema,
  itemNodeSchema,
])

const graphSchema: z.ZodType<Graph> = z.strictObject({
  v: z.literal(GRAPH_VERSION),
  flow: z.string(),
  nodes: z.array(nodeSchema).min(1).max(MAX_NODES),
  output: templateSchema,
  succeedsWhen: z.array(indexSchema).min(1).exactOptional(),
})

/**
 * Reads a stored graph.
 *
 * @param where its key in Redis, for messages
 * @throws RepriseError for a newer version, and for what this system can't have written
 */
export function parseGraph(text: string, where: string): Graph {
  const data = fromJsonText(text, where)
  const version = versionOf(data)
  if (version > GRAPH_VERSION) {
    throw new RepriseError(
      'internal',
      `${where}: the graph has version ${version}, this process reads up to ${GRAPH_VERSION}: update its version of reprise`,
    )
  }
  const parsed = graphSchema.safeParse(data)
  if (!parsed.success) {
    throw new RepriseError('internal', `${where}: no graph: ${z.prettifyError(parsed.error)}`, {
      cause: parsed.error,
    })
  }
  const problems = structureProblems(parsed.data)
  if (problems.length > 0) {
    throw new RepriseError('internal', `${where}: no graph: ${problems.slice(0, 10).join('; ')}`)
  }
  return deepFreeze(parsed.data)
}

function versionOf(data: Json): number {
  const version: unknown =
    typeof data === 'object' && data !== null ? Reflect.get(data, 'v') : undefined
  return typeof version === 'number' ? version : 0
}
