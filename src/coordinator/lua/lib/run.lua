-- The end of a run and of waiting for it. Fields of the run's hash besides nodes and rows:
--   s state (R live, S succeeded, F failed, C cancelled, X refused at open)   q flow   g graph hash   at opened, epoch ms
--   e ended, ms since `at`   l nodes not final yet   f nodes failed and not forgiven   c last ticket number
--   z grants so far (the fencing token)   i input, JSON   o options, JSON   x why it was refused at open, JSON
--   j queue|job id of ticket 0 where that id is not the run's   w<index> packed counts of final upstreams of a node
--   m<index> maxCrashes from an enqueue-time policy   p place of the flow job   pz paused   pk parked nodes
local function announce(run, what) call('PUBLISH', PREFIX .. '/run:' .. run, what) end

-- All nodes are final: the run ends, and is kept for `retention` = <ms after success>.<ms after failure> (R20).
-- Returns how it ended.
local function endRun(run, failed, at, retention)
  local key = runKey(run)
  local kept, keptFailed = match(retention, '^(%d+)%.(%d+)$')
  local ttl = failed > 0 and keptFailed or kept
  call('HSET', key, 's', failed > 0 and 'F' or 'S', 'e', now - at)
  call('ZREM', LIVE, run)
  call('PEXPIRE', key, ttl)
  call('PEXPIRE', outKey(run), ttl)
  call('PEXPIRE', logKey(run), ttl)
  announce(run, 'ended')
  return failed > 0 and 'failed' or 'succeeded'
end

-- A manual retry reopens an ended run: its end and its expiry are undone first (R12).
local function reopenRun(run)
  local key = runKey(run)
  call('HSET', key, 's', 'R')
  call('HDEL', key, 'e')
  call('ZADD', LIVE, now, run)
  call('PERSIST', key)
  call('PERSIST', outKey(run))
  call('PERSIST', logKey(run))
end
