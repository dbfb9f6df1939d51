-- A run as a whole. Fields of the run's hash besides nodes and rows:
--   s state (N creating, R live, S succeeded, F failed, C cancelled, X refused at open)   q flow   g graph hash   at opened, epoch ms
--   e ended, ms since `at`   k counters: <nodes not final yet>.<nodes failed and not forgiven>.<last ticket number>.<grants
--   so far: the fencing token>   i input, JSON   o options, JSON   x why it was refused at open, JSON
--   j queue|job id of ticket 0 where that id is not the run's   w<index> packed counts of final upstreams of a node
--   y<index>.<key> a child run that a node started (run id|flow)   a<index> the child whose end a node waits for
--   wt of a child: the node that waits for its end (run id|index)
--   lk<index> the key of the lock that a node waits for   lt<index> the attempt whose turn it was to take its lock before it
--   was parked   m<index> maxCrashes from an enqueue-time policy   p place of the flow job   pz paused
--   pk parked nodes: <index>[=<place>],...
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

-- A manual retry reopens an ended run: its end and its expiry are undone first (R12). A pause that it ended under is over.
local function reopenRun(run)
  local key = runKey(run)
  call('HSET', key, 's', 'R')
  call('HDEL', key, 'e', 'rd', 'rj', 'pz')
  call('ZREM', DUTIES, run)
  call('ZADD', LIVE, now, run)
  call('PERSIST', key)
  call('PERSIST', outKey(run))
  call('PERSIST', logKey(run))
end
