-- cancel: sets a run's cancel flag (R13): no claim is granted from then on, running attempts can't be settled any more.
--
-- Arguments: run
-- Returns {'ok'}, or {'refused', 'final'} if the run had ended before. Announces: ended.
-- Works for a run that no worker has opened yet: its flow job will find the flag. Nodes are not swept: those that were
-- not final read as cancelled, and the jobs of tickets end when they are delivered.
-- Idempotent: a cancelled run answers ok again.
local function cancel(run)
  local key = runKey(run)
  local state, at = unpack(call('HMGET', key, 's', 'at'))
  if state == 'C' then return {'ok'} end
  if state and state ~= 'R' and state ~= 'N' then return {'refused', 'final'} end
  call('HSET', key, 's', 'C', 'at', at or now, 'e', now - int(at or now))
  call('ZREM', LIVE, run)
  keepFor(run, KEPT_FAILED)
  announce(run, 'ended')
  return {'ok'}
end
