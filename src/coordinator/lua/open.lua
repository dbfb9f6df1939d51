-- open: creates a run from its flow job and claims its first root, iff the run is unknown and nobody has tried the job
-- before (R17); else claims ticket 0.
--
-- Arguments: run, lease, token, lock, seen, slots, maxCrashes, retention as in `claim`; then
--   fresh ('1': the job has no failed attempt behind it), graph (hash), nodeCount, roots (<index>.<home>.<delayMs>,...;
--   home 1: it may run in this very delivery), input (JSON, parsed by the flow's schema), options (JSON or ''),
--   flow (name), job (queue|id of the flow job if that id is not the run's, else '')
-- Returns what `claim` returns, or
--   {'refused', 'no_graph'}     the graph is not stored: store it and open again
--   {'refused', 'run_expired'}  the run is unknown, but its job ran before: its state is gone
-- A run that was refused before (see refuse.lua) opens when its job was retried by hand.
-- Idempotent: as `claim` once the run exists.
local GRAPH_TTL = 90 * 86400000 -- refreshed by every run that opens with the graph

local function open(run, lease, token, lock, seen, slots, maxCrashes, retention, fresh, graph, nodeCount, roots, input, options, flow, job)
  if call('GET', lock) ~= token then return {'refused', 'lease'} end
  local delivery = newDelivery(run, '0', lease, seen, slots, maxCrashes, retention)
  local fields, rowText = readRun(run, '0')
  local state = fields[1]
  if state and state ~= 'X' then return claimTicket(delivery, fields, rowText) end
  if not state and fresh ~= '1' then return {'refused', 'run_expired'} end
  if call('EXISTS', graphKey(graph)) == 0 then return {'refused', 'no_graph'} end

  local key, live = runKey(run), {at = now, graph = graph, left = nodeCount, options = options}
  local change, home = newChange(run, live), nil
  for index, mayStay, delayMs in gmatch(roots, '(%d+)%.(%d)%.(%d+)') do
    if mayStay == '1' and not home then home = index
    else change.ready[#change.ready + 1] = {index, tonumber(delayMs)} end
  end
  call('HSET', key, 's', 'R', 'g', graph, 'at', now, 'i', input, 'q', flow, 'o', options, 'j', job)
  if state then
    call('HDEL', key, 'x', 'e')
    call('PERSIST', key)
  end
  call('PEXPIRE', graphKey(graph), GRAPH_TTL)
  call('ZADD', LIVE, now, run)
  if home then
    call('HSET', key, 'n' .. home, packNode('Y', 0, 0, 0, 0, '', ''))
    return grantRow(change, delivery, live, {lease = '', by = '', place = '', tokens = '+' .. home}, false)
  end
  giveTickets(change, '0')
  writeChange(change)
  if change.left == 0 then endRun(run, 0, now, retention) end
  return {'nothing', concat(change.toAdd, ';')}
end
