/**
 * The part of a pino logger that Reprise calls. Ids go into fields, never into messages; payloads are never logged.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}
