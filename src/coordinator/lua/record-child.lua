-- recordChild: remembers a run that a node's handler started, so that the node's next attempt starts no other, even when
-- the child has been removed after its retention.
--
-- Arguments: run, index (of the node), key (of the call), child (<run id>|<flow>)
-- Returns {'ok'}, or {'refused', 'no_run'}: a run that is gone is not brought back.
-- Idempotent: what was recorded first stays. Needs no lease: every attempt records the same id.
local function recordChild(run, index, key, child)
  local runHash = runKey(run)
  if call('EXISTS', runHash) == 0 then return {'refused', 'no_run'} end
  call('HSETNX', runHash, 'y' .. index .. '.' .. key, child)
  return {'ok'}
end
