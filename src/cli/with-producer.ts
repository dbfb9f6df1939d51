import { Producer } from '../producer/producer.ts'
import type { GlobalOptions } from './global-options.ts'

/**
 * Lends a connected producer for one piece of work, and closes it.
 *
 * @throws RepriseError (`redis`) when Redis does not answer within 5 seconds
 */
export async function withProducer<T>(
  { redis, namespace }: Pick<GlobalOptions, 'redis' | 'namespace'>,
  work: (producer: Producer) => Promise<T>,
): Promise<T> {
  const producer = new Producer({ redis, namespace })
  try {
    await producer.ready()
    return await work(producer)
  } finally {
    await producer.close()
  }
}
