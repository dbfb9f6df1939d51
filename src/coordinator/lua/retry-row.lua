-- retryRow: the manual retry in place of the finally failed nodes that an ended row holds (R11, R12).
-- Budgets are fresh, attempt numbers continue, unstarted descendants return to pending, the run is reopened.
-- Refused (returns the reason, nothing is written) when the run has a rerun, or a descendant has started; returns nil when
-- done, with `change` and `row.tokens` such that the claim that called it grants the nodes.

-- Has this join made up for a failure, or this group tolerated one? Then its value is in use, and what it forgave stays
-- forgiven.
local function hasForgiven(change, index)
  local rule = graphField(change, 'r', index)
  if rule ~= 'J' and rule ~= 'g' then return false end
  local upstreams = upstreamsOf(change, index)
  local state = unpackNode(nodeOf(change, upstreams[rule == 'J' and 1 or 2] or '') or '')
  return state == 'f' or state == 'u'
end

-- Has a handler of this node been called, or could it be at any time?
local function hasStarted(state, attempts)
  return not isFinal(state) or int(attempts) > (state == 'I' and 1 or 0)
end

-- What waits for a node: index, and of a group its map.
local function dependantsOf(change, index)
  local list, _, shift = {}, templateOf(index)
  for j, fanIn, rule, place in gmatch(graphField(change, 'd', index) or '', '(%d+)%.(%d+)%.(%a)%w*%.%d+%.(%d+)') do
    if rule == 'g' then
      local group, own = groupIndex(change, shift, j, place)
      list[#list + 1] = {group, shifted(own, fanIn)}
    else list[#list + 1] = {shifted(shift, j)} end
  end
  return list
end

-- A group that failed with its map doesn't depend on the items that the map had made.
local function failedWithMap(change, map, from)
  return map and from ~= map and sub(call('HGET', change.key, 'c' .. map) or '', 1, 1) ~= '='
end

-- All descendants of the retried nodes, with their states, or nil if one of them has started or made up for a failure;
-- and of those that are groups, the ends of items among the retried and reset nodes.
local function unstartedDescendants(change, retried)
  local found, counted, queue, head = {}, {}, {}, 1
  for index in pairs(retried) do queue[#queue + 1] = index end
  while head <= #queue do
    local from = queue[head]
    for _, dependant in ipairs(dependantsOf(change, from)) do
      local j, map = unpack(dependant)
      if map then
        counted[j] = counted[j] or {}
        -- The end of an item may be a map too, but it is not the group's.
        if from ~= map then counted[j][from] = retried[from] and 'F' or found[from] end
      end
      if not found[j] and not failedWithMap(change, map, from) then
        local state, attempts = unpackNode(call('HGET', change.key, 'n' .. j) or '')
        if state and hasStarted(state, attempts) then return nil end
        if state == 'S' and hasForgiven(change, j) then return nil end
        found[j] = state or 'pending'
        queue[#queue + 1] = j
      end
    end
    head = head + 1
  end
  return found, counted
end

-- The packed counts of the upstreams of `index` that stay final, or nil if there are none.
local function recount(change, index, retried, reset)
  local counts = 0
  for _, up in ipairs(upstreamsOf(change, index)) do
    if not retried[up] and not reset[up] then
      local state = unpackNode(call('HGET', change.key, 'n' .. up) or '')
      if state and isFinal(state) then counts = counts + countOf(state) end
    end
  end
  return counts > 0 and counts or nil
end

-- Takes nodes out of the list of a group's failed items: the last ones get their places.
local function keepFailures(change, index, failed, uncounted)
  local name, moved, removed, n, last = 'f' .. index, {}, {}, 1, #failed
  while n <= last do
    if uncounted[failed[n]] then
      removed[#removed + 1] = name .. '.' .. last
      failed[n], moved[n], last = failed[last], true, last - 1
    else n = n + 1 end
  end
  local first = uncounted[fieldOf(change, name)] and failed[1]
  for i = 1, last do
    if moved[i] then change.set[name .. '.' .. i] = failed[i] end
    if first and tonumber(failed[i]) < tonumber(first) then first = failed[i] end
  end
  if last == 0 then removed[#removed + 1] = name
  elseif first then change.set[name] = first end
  if #removed > 0 then removeFields(change.key, removed) end
end

-- A group's counts without the nodes that are no longer final (by index, the state that they were in).
local function recountGroup(change, index, uncounted)
  local counts = int(fieldOf(change, 'w' .. index))
  local failed = failedItems(change, index, counts)
  for _, state in pairs(uncounted) do
    if state ~= 'pending' then counts = counts - countOf(state) end
  end
  change.set['w' .. index] = counts
  keepFailures(change, index, failed, uncounted)
end

local function resetDescendant(change, index, retried, reset)
  local packed = nodeOf(change, index)
  if packed then
    change.left = change.left + 1
    change.spent[#change.spent + 1] = 'n' .. index
    if sub(packed, 1, 1) == 'U' then change.failed = change.failed - 1 end
  end
  if graphField(change, 'r', index) == 'g' then return end
  local counts = recount(change, index, retried, reset)
  if counts then
    change.fields[#change.fields + 1] = 'w' .. index
    change.fields[#change.fields + 1] = counts
  else change.spent[#change.spent + 1] = 'w' .. index end
end

-- Reopens finally failed nodes, and the run: they are ready, in the rows of the tickets that `ticketOf` names. Returns why
-- not (nothing is written then), or nil.
local function reopenNodes(change, runState, retried, ticketOf, by)
  local made, duty = unpack(call('HMGET', change.key, 'rr', 'rd'))
  if made or duty == 'due' then return 'has_rerun' end
  local reset, counted = unstartedDescendants(change, retried)
  local ended = change.elapsed
  if not reset then return 'descendant_started' end
  for index, uncounted in pairs(counted) do recountGroup(change, index, uncounted) end
  for index in pairs(reset) do resetDescendant(change, index, retried, reset) end
  for index in pairs(retried) do
    local state, attempts = unpackNode(call('HGET', change.key, 'n' .. index))
    call('HSET', change.key, 'n' .. index, packNode('Y', attempts, ticketOf(index), 0, 0, '', ''))
    appendLog(change.run, index, '0|retried|' .. ended .. '|' .. ended .. '|{"by":"' .. by .. '"}')
    change.left = change.left + 1
    if state == 'F' then change.failed = change.failed - 1 end
  end
  if runState ~= 'R' then
    reopenRun(change.run)
    change.paused = nil
  end
  return nil
end

local function retryRow(change, ticket, runState, row)
  local retried, tokens = {}, {}
  for index in gmatch(row.tokens, '!(%d+)') do retried[index] = true end
  local refusal = reopenNodes(change, runState, retried, function() return ticket end, 'job')
  if refusal then return refusal end
  for index in pairs(retried) do tokens[#tokens + 1] = '+' .. index end
  row.tokens, row.lease = concat(tokens, ','), ''
  return nil
end
