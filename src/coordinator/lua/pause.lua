-- pause: sets a run's pause flag (R14): settles resolve what depends on them but dispatch nothing, claims park.
--
-- Arguments: run
-- Returns {'ok'}, or {'refused', 'no_run' | 'final'}. Idempotent.
local function pause(run)
  local state = call('HGET', runKey(run), 's')
  if not state then return {'refused', 'no_run'} end
  if state ~= 'R' then return {'refused', 'final'} end
  call('HSET', runKey(run), 'pz', 1)
  announce(run, 'settled')
  return {'ok'}
end

-- resume: ends a pause. The nodes that it parked are released afterwards, in chunks.
--
-- Arguments: run
-- Returns {'ok'}, or {'refused', 'no_run' | 'final'}. Announces: settled. Idempotent.
local function resume(run)
  local state = call('HGET', runKey(run), 's')
  if not state then return {'refused', 'no_run'} end
  if state ~= 'R' then return {'refused', 'final'} end
  call('HDEL', runKey(run), 'pz')
  announce(run, 'settled')
  return {'ok'}
end

-- release: gives a chunk of the nodes that a pause parked tickets of their own, owed by nobody: whoever resumes asks until there
-- are none and adds the jobs, and if he dies before, the reconciler does (R16). A pause that was set since keeps what is left.
--
-- Arguments: run
-- Returns {'ok', toAdd, graph, place, more ('1': ask again)}, or {'refused', 'no_run' | 'final' | 'changed'} (it is paused).
-- Announces: settled. Idempotent: what was released is not parked any more.
local RELEASED = 100

local function release(run)
  local stored = readRun(run, '0')
  if not stored.state then return {'refused', 'no_run'} end
  if stored.state ~= 'R' then return {'refused', 'final'} end
  if stored.paused then return {'refused', 'changed'} end
  local change = changeOf(run, stored)
  local parked, fields, places, upTo = call('HGET', change.key, 'pk') or '', {}, {}, 1
  for index, place, next in gmatch(parked, '(%d+)=?([^,]*),?()') do
    fields[#fields + 1], places[#places + 1], upTo = 'n' .. index, place, next
    if #fields == RELEASED then break end
  end
  for i, packed in ipairs(readFields(change.key, fields)) do
    local state, attempts, _, retries, crashes, start = unpackNode(packed or '')
    if state == 'P' then
      local index = sub(fields[i], 2)
      local ticket = giveTicket(change, '', {index}, '+', 0, places[i])
      setNode(change, index, packNode('Y', attempts, ticket, retries, crashes, start, ''))
    end
  end
  local isLast = upTo > #parked
  if isLast then change.spent[1] = 'pk' else change.set.pk = sub(parked, upTo) end
  writeChange(change)
  announce(run, 'settled')
  return {'ok', concat(change.toAdd, ';'), change.graph, stored.place or '', isLast and '' or '1'}
end
