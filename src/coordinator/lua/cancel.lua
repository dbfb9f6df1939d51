-- cancel: sets a run's cancel flag (R13): no claim is granted from then on, running attempts can't be settled any more. The
-- child runs that its nodes wait for are cancelled with it, and theirs.
--
-- Arguments: run
-- Returns {'ok', toAdd}, or {'refused', 'final'} if the run had ended before. Announces: ended.
-- Works for a run that no worker has opened yet: its flow job will find the flag. Nodes are not swept: those that were
-- not final read as cancelled, and the jobs of tickets end when they are delivered.
-- Idempotent: a cancelled run answers ok again.

-- The children whose end nodes of a run wait for, or have not read yet. Only a graph that says so has such nodes; in maps
-- they are as many as there are items.
local function awaitedChildren(run)
  local key, fields = runKey(run), {}
  local graph = call('HGET', key, 'g')
  if not graph or call('HEXISTS', graphKey(graph), 'runs') == 0 then return fields end
  for _, field in ipairs(call('HKEYS', key)) do
    if find(field, '^a%d+$') then fields[#fields + 1] = field end
  end
  return readFields(key, fields)
end

-- Flags a run that has not ended; returns whether it had not.
local function flag(run)
  local key = runKey(run)
  local state, at = unpack(call('HMGET', key, 's', 'at'))
  if state and state ~= 'R' and state ~= 'N' then return false end
  call('HSET', key, 's', 'C', 'at', at or now, 'e', now - int(at or now))
  call('ZREM', LIVE, run)
  return true
end

local function cancel(run)
  if not flag(run) then
    if call('HGET', runKey(run), 's') ~= 'C' then return {'refused', 'final'} end
    local _, toAdd = tellParent(run)
    return {'ok', toAdd}
  end
  local toAdd = afterEnd(run, KEPT_FAILED)
  local cancelled, head = {run}, 1
  while head <= #cancelled do
    for _, child in ipairs(awaitedChildren(cancelled[head])) do
      if flag(child) then
        afterEnd(child, KEPT_FAILED)
        cancelled[#cancelled + 1] = child
      else letGo(child) end
    end
    head = head + 1
  end
  return {'ok', toAdd}
end
