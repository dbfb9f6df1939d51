import { messageOf } from '../core/errors.ts'
import type { Hooks } from '../core/hooks.ts'
import type { Logger } from '../core/logger.ts'

/** Hooks that can't hurt: what one throws is logged, and work goes on. */
export function guardHooks(hooks: Hooks, logger: Logger): Hooks {
  return new Proxy(hooks, {
    get(target, name) {
      const hook: unknown = Reflect.get(target, name)
      if (typeof hook !== 'function') return undefined
      return (info: unknown) => {
        try {
          hook.call(target, info)
        } catch (error) {
          logger.error({ hook: String(name), error: messageOf(error) }, 'a hook threw')
        }
      }
    },
  })
}
