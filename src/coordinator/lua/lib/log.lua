-- A node's log: a line for each ended attempt that did not succeed, attempt|kind|start|end|details (JSON made by the worker, never
-- decoded here), and one with attempt 0 and kind `retried` for each manual retry.

-- A policy without a limit may fail for months, and each line is written with all others: a log that has grown to so many
-- bytes loses its older half, but for what limits are counted from: its first line, and the last manual retry with the
-- attempt after it; and for the last decision about the node's lock since then, which holds until there is another.
local MAX_LOG = 524288

local function withoutOlderHalf(log)
  local newline = find(log, '\n', #log - MAX_LOG / 2, true)
  if not newline then return log end
  local first = match(log, '^[^\n]*\n')
  local dropped = sub(log, #first, newline)
  local retried, since = match(dropped, '^.*\n(0|retried|[^\n]*\n[^\n]*\n?)(.*)$')
  -- Quotes within texts of errors are escaped: this is a field's name.
  local locked = match('\n' .. (since or dropped), '^.*\n([^\n]*,"lock":[^\n]*\n)')
  return first .. (retried or '') .. (locked or '') .. sub(log, newline + 1)
end

local function appendLog(run, index, line)
  local key = logKey(run)
  local before = call('HGET', key, index)
  if before and #before + #line > MAX_LOG then before = withoutOlderHalf(before) end
  call('HSET', key, index, before and (before .. '\n' .. line) or line)
end

local function lastLine(log) return log and (match(log, '^.*\n(.*)$') or log) or '' end
