import { createHash } from 'node:crypto'

/**
 * The random number of one retry: always the same for the same arguments, so that a schedule can be previewed exactly,
 * and spread evenly over [0, 1) with all 53 bits of a double.
 *
 * @param rootRunId the id of the first run of the lineage, so that a rerun keeps its schedule
 * @param nodeKey the node's key
 * @param n the number of the retry, from 1
 */
export function drawFor(rootRunId: string, nodeKey: string, n: number): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([rootRunId, nodeKey, n]))
    .digest()
  // 32 bits and 21 bits: the product and the sum are exact in a double.
  return (hash.readUInt32BE(0) * 2 ** 21 + (hash.readUInt32BE(4) >>> 11)) / 2 ** 53
}
