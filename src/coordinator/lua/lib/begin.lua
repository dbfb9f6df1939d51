-- The beginning of a run, whether it is new or repeats another one.
local DAY = 86400000
local GRAPH_TTL = 91 * DAY

-- Whether the graph is stored; it is kept for 90 days at least from now on: one write a day does for all runs.
local function keepGraph(graph)
  local left = call('PTTL', graphKey(graph))
  if left == -2 then return false end
  if left < GRAPH_TTL - DAY then call('PEXPIRE', graphKey(graph), GRAPH_TTL) end
  return true
end

-- Gives the nodes that can run to this delivery, or to tickets of their own, and writes the run. `stored`: its {options,
-- place, input}; change.fields: what else is to be written of it.
local function beginRun(change, delivery, roots, grain, stored)
  local home = {}
  for index, mayStay, delayMs, rootPlace in gmatch(roots, '(%d+)%.(%d)%.(%d+)%.(%d+)') do
    if mayStay == '1' and #home < tonumber(grain) then home[#home + 1] = index
    else change.ready[#change.ready + 1] = {index, tonumber(delayMs), rootPlace} end
  end
  call('ZADD', LIVE, now, change.run)
  giveTickets(change, '0', tonumber(grain))
  change.ready = {}
  if #home > 0 then
    local row = {lease = '', by = '', wrote = '0', place = '', tokens = '+' .. concat(home, ',+')}
    return grantRow(change, delivery, stored, row, false, true)
  end
  writeChange(change)
  announce(change.run, 'started')
  return {'nothing', concat(change.toAdd, ';')}
end
