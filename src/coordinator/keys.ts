import { shardPrefix } from '../core/ids.ts'

/**
 * The keys of one shard. BullMQ's own begin with `<prefix>:`, ours with `<prefix>/`, so no queue name can collide with
 * them; all share the hash tag, so one script may touch any of them in a Redis Cluster.
 */
export class ShardKeys {
  /** BullMQ's prefix and the hash tag: `{reprise:0}`. */
  readonly prefix: string

  constructor(namespace: string, shard: number) {
    this.prefix = shardPrefix(namespace, shard)
  }

  /** Sorted set of the runs that have not ended. */
  get live(): string {
    return `${this.prefix}/live`
  }

  /** Sorted set of the failed runs about whose retry nobody has decided yet. */
  get duties(): string {
    return `${this.prefix}/duties`
  }

  /** Sorted set of the cancelled runs whose children are not all cancelled yet. */
  get sweeps(): string {
    return `${this.prefix}/sweeps`
  }

  /** The lease of the one worker that reconciles. */
  get reconciler(): string {
    return `${this.prefix}/reconciler`
  }

  /** Sorted set: what each live worker knows, by when it said so last. */
  get workers(): string {
    return `${this.prefix}/workers`
  }

  /** Sorted set: the queues that workers serve, by when one of them said so last. */
  get queues(): string {
    return `${this.prefix}/queues`
  }

  /** Hash: the run, its nodes and its rows. Also the name of the channel that announces its changes. */
  run(runId: string): string {
    return `${this.prefix}/run:${runId}`
  }

  /** Hash: results by node index. */
  out(runId: string): string {
    return `${this.prefix}/out:${runId}`
  }

  /** Hash: ended attempts by node index. */
  log(runId: string): string {
    return `${this.prefix}/log:${runId}`
  }

  /** Hash: a stored graph. */
  graph(hash: string): string {
    return `${this.prefix}/graph:${hash}`
  }

  /** BullMQ's hash of a job; `<this>:lock` holds an active one's token (a test pins both). */
  job(queue: string, jobId: string): string {
    return `${this.prefix}:${queue}:${jobId}`
  }
}
