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

-- resume: ends a pause, and gives every parked node a ticket of its own, owed by nobody: whoever resumes adds its job,
-- and if he dies before, the reconciler does (R16).
--
-- Arguments: run
-- Returns {'ok', toAdd, graph, place}, or {'refused', 'no_run' | 'final'}. Idempotent: nothing is parked any more.
local function resume(run)
  local stored = readRun(run, '0')
  if not stored.state then return {'refused', 'no_run'} end
  if stored.state ~= 'R' then return {'refused', 'final'} end
  local change = changeOf(run, stored)
  for index in gmatch(call('HGET', change.key, 'pk') or '', '%d+') do
    local state, attempts, _, retries, crashes, start = unpackNode(call('HGET', change.key, 'n' .. index) or '')
    if state == 'P' then
      local ticket = giveTicket(change, '', {index}, '+', 0, '')
      setNode(change, index, packNode('Y', attempts, ticket, retries, crashes, start, ''))
    end
  end
  writeChange(change)
  call('HDEL', change.key, 'pz', 'pk')
  announce(run, 'settled')
  return {'ok', concat(change.toAdd, ';'), change.graph, stored.place or ''}
end
