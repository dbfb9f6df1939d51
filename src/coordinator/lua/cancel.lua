-- cancel: sets a run's cancel flag (R13): no claim is granted from then on, running attempts can't be settled any more.
--
-- Arguments: run
-- Returns {'ok', toAdd, sweep}, or {'refused', 'final'} if the run had ended before. Announces: ended.
--   sweep: '1' if its nodes may wait for child runs: these are cancelled afterwards, in chunks (cancelChildren)
-- Works for a run that no worker has opened yet: its flow job will find the flag. Nodes are not swept: those that were
-- not final read as cancelled, and the jobs of tickets end when they are delivered.
-- Idempotent: a cancelled run answers ok again.

-- Flags a run that has not ended; returns whether it had not.
local function flag(run)
  local key = runKey(run)
  local state, at, graph = unpack(call('HMGET', key, 's', 'at', 'g'))
  if state and state ~= 'R' and state ~= 'N' then return false end
  call('HSET', key, 's', 'C', 'at', at or now, 'e', now - int(at or now))
  call('ZREM', LIVE, run)
  -- Only a graph that says so has nodes that wait for child runs; in maps they are as many as there are items.
  if graph and call('HEXISTS', graphKey(graph), 'runs') == 1 then call('ZADD', SWEEPS, now, run) end
  return true
end

local function isToSweep(run) return call('ZSCORE', SWEEPS, run) and '1' or '' end

local function cancel(run)
  if flag(run) then return {'ok', afterEnd(run, KEPT_FAILED), isToSweep(run)} end
  if call('HGET', runKey(run), 's') ~= 'C' then return {'refused', 'final'} end
  local _, toAdd = tellParent(run)
  return {'ok', toAdd, isToSweep(run)}
end

-- cancelChildren: cancels a chunk of the child runs whose end nodes of a cancelled run wait for, or have not read yet.
--
-- Arguments: run, child...
-- Returns {'ok', child...}: those whose own children are to be swept; or {'refused', 'changed'}. Announces: ended, of each.
-- Idempotent: a child that has ended, by this or before, only begins its usual retention.
local function cancelChildren(run, ...)
  if call('HGET', runKey(run), 's') ~= 'C' then return {'refused', 'changed'} end
  local answer = {'ok'}
  for _, child in ipairs({...}) do
    if flag(child) then afterEnd(child, KEPT_FAILED) else letGo(child) end
    if isToSweep(child) ~= '' then answer[#answer + 1] = child end
  end
  return answer
end

-- sweptChildren: all child runs that nodes of a cancelled run waited for have been cancelled.
--
-- Arguments: run
-- Returns {'ok'}. Idempotent.
local function sweptChildren(run)
  call('ZREM', SWEEPS, run)
  return {'ok'}
end
