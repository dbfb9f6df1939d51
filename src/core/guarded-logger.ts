import { messageOf } from './errors.ts'
import type { Logger } from './logger.ts'

const METHODS = ['debug', 'info', 'warn', 'error'] as const

/**
 * A logger that can't hurt: what it throws becomes a warning of the process (once), and work goes on. Whatever else the
 * logger has is still there.
 */
export function guardLogger(logger: Logger): Logger {
  let warnings = 0
  return guard(logger, (thrown) => {
    warnings += 1
    if (warnings > 1) return
    process.emitWarning(`the logger threw: ${messageOf(thrown)}`, 'RepriseWarning')
  })
}

function guard(logger: Logger, onProblem: (thrown: unknown) => void): Logger {
  // Trust border: what is overridden has the types that it had.
  const guarded = Object.create(logger) as Logger
  for (const method of METHODS) {
    guarded[method] = (...args) => {
      try {
        logger[method](...args)
      } catch (thrown) {
        onProblem(thrown)
      }
    }
  }
  guarded.child = (fields) => {
    try {
      return guard(logger.child(fields), onProblem)
    } catch (thrown) {
      onProblem(thrown)
      return guarded
    }
  }
  return guarded
}
