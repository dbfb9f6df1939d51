import type { Hooks } from './hooks.ts'

/**
 * Hooks that can't hurt: what one throws goes to `onProblem`, and work goes on.
 *
 * @param onProblem told the hook's name and what it threw
 */
export function guardHooks(
  hooks: Hooks,
  onProblem: (hook: string, thrown: unknown) => void,
): Hooks {
  return new Proxy(hooks, {
    get(target, name) {
      const hook: unknown = Reflect.get(target, name)
      if (typeof hook !== 'function') return undefined
      return (info: unknown) => {
        try {
          hook.call(target, info)
        } catch (thrown) {
          onProblem(String(name), thrown)
        }
      }
    },
  })
}
