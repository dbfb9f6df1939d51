-- The beginning of a run, whether it is new or repeats another one.
local GRAPH_TTL = 90 * 86400000 -- refreshed by every run that opens with the graph

-- Gives the nodes that can run to this delivery, or to tickets of their own, and writes the run. `stored`: its {options,
-- place}; change.fields: what else is to be written of it.
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
    local row = {lease = '', by = '', place = '', tokens = '+' .. concat(home, ',+')}
    return grantRow(change, delivery, stored, row, false, true)
  end
  writeChange(change)
  announce(change.run, 'started')
  return {'nothing', concat(change.toAdd, ';')}
end
