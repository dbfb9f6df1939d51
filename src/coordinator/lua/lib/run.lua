-- The end of a run and of waiting for it. Fields of the run's hash besides nodes and rows:
--   s state (N creating, R live, S succeeded, F failed, C cancelled, X refused at open)   q flow   g graph hash   at opened, epoch ms
--   e ended, ms since `at`   k counters: <nodes not final yet>.<nodes failed and not forgiven>.<last ticket number>.<grants
--   so far: the fencing token>   i input, JSON   o options, JSON   x why it was refused at open, JSON
--   j queue|job id of ticket 0 where that id is not the run's   w<index> packed counts of final upstreams of a node
--   y<index>.<key> a child run that a node started (run id|flow)
--   m<index> maxCrashes from an enqueue-time policy   p place of the flow job   pz paused   pk parked nodes
--   rp the run that it repeats; a rerun is in state N (creating) until it is opened: `at` is when it was made, du when it
--   is due, epoch ms   rr how many reruns were made of it   fg how many reruns its lineage has opened (of a root)
--   ra a failed end asks for an automatic retry   rd `due` from such an end on; then the retry's run id, or `-`
--   rj what was decided about it, JSON
local function announce(run, what) call('PUBLISH', PREFIX .. '/run:' .. run, what) end

-- How long an ended run is kept (R20).
local function keepFor(run, ttl)
  call('PEXPIRE', runKey(run), ttl)
  call('PEXPIRE', outKey(run), ttl)
  call('PEXPIRE', logKey(run), ttl)
end

-- A run that failed may have to be retried as a whole: it stays due until somebody has decided (R26, rerun.lua).
local function oweRetry(run)
  if not call('HGET', runKey(run), 'ra') then return end
  call('HSET', runKey(run), 'rd', 'due')
  call('HDEL', runKey(run), 'rj')
  call('ZADD', DUTIES, now, run)
end

-- The run whose change has been written has ended (see writeChange). Returns how.
local function endRun(change)
  local run, isRed = change.run, change.isRed
  call('ZREM', LIVE, run)
  if isRed then oweRetry(run) end
  keepFor(run, isRed and KEPT_FAILED or KEPT)
  announce(run, 'ended')
  return isRed and 'failed' or 'succeeded'
end

-- A manual retry reopens an ended run: its end and its expiry are undone first (R12).
local function reopenRun(run)
  local key = runKey(run)
  call('HSET', key, 's', 'R')
  call('HDEL', key, 'e', 'rd', 'rj')
  call('ZREM', DUTIES, run)
  call('ZADD', LIVE, now, run)
  call('PERSIST', key)
  call('PERSIST', outKey(run))
  call('PERSIST', logKey(run))
end
