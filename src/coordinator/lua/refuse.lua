-- refuse: records a run that failed before anything ran: a malformed envelope, an invalid input, an unknown name (section 7).
--
-- Arguments: run, token, job, started (see lease.lua), reason (JSON {reason, error}), flow (name or ''), foreign (queue|id or
--   '')
-- Returns {'ok', toAdd}, or {'refused', 'lease'}, or {'refused', 'run_exists'} if the run was opened by somebody.
-- Announces: ended. Idempotent: a second call writes the same again.
local function refuse(run, token, job, started, reason, flow, foreign)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local key = runKey(run)
  local state = call('HGET', key, 's')
  if state and state ~= 'X' then return {'refused', 'run_exists'} end
  call('HSET', key, 's', 'X', 'x', reason, 'q', flow, 'at', now, 'e', 0, 'k', '0.0.0.0')
  if foreign ~= '' then call('HSET', key, 'j', foreign) end
  return {'ok', afterEnd(run, KEPT_FAILED)}
end
