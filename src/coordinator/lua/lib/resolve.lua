-- Resolves what depends on nodes that became final: counts them for each dependant, asks the truth table (triggers.lua)
-- and forgives.

-- The nodes that a node waits for; of a group, its map and the first in order of its items that failed. Second: whether it is a
-- group.
local function upstreamsOf(change, index)
  local list, template, shift = {}, templateOf(index)
  local ups, rule = unpack(call('HMGET', graphKey(change.graph), 'u' .. template, 'r' .. template))
  for up in gmatch(ups or '', '%d+') do list[#list + 1] = shifted(shift, up) end
  if rule ~= 'g' then return list, false end
  list[2] = fieldOf(change, 'f' .. index) or nil
  return list, true
end

-- The first upstream (in order) that failed, or the node that made it fail.
local function causeOf(change, index)
  for _, up in ipairs(upstreamsOf(change, index)) do
    local packed = nodeOf(change, up)
    local state, _, _, _, _, _, x = unpackNode(packed or '')
    if state == 'F' or state == 'f' then return up end
    if state == 'U' or state == 'u' then return x end
  end
  return ''
end

local forgive

-- Of a group: the nodes whose ends were those of failed items. There may be thousands, which are read at once.
local function forgiveItems(change, items)
  local fields = {}
  for i = 1, #items do fields[i] = 'n' .. items[i] end
  local stored = readFields(change.key, fields)
  for i = 1, #items do forgive(change, items[i], stored[i]) end
end

-- Plan B has a value: plan A's node and the failed nodes that made it fail are forgiven. `stored`: as Redis has it, if that was
-- read before.
function forgive(change, index, stored)
  local packed = change.nodes[index] or stored or nodeOf(change, index)
  local state = packed and sub(packed, 1, 1)
  if state ~= 'F' and state ~= 'U' then return end
  setNode(change, index, (state == 'F' and 'f' or 'u') .. sub(packed, 2))
  change.failed = change.failed - 1
  if state == 'U' then
    local upstreams, isGroup = upstreamsOf(change, index)
    for i = 1, #upstreams do forgive(change, upstreams[i]) end
    if isGroup then forgiveItems(change, failedItems(change, index, int(fieldOf(change, 'w' .. index)))) end
  end
end

-- A node became final without running.
local function finishVirtually(change, index, state)
  local cause = state == 'U' and causeOf(change, index) or change.elapsed
  setNode(change, index, packNode(state, '0', '', '0', '0', '', cause))
  change.left = change.left - 1
  if state == 'U' then change.failed = change.failed + 1 end
end

-- A fast trigger that has fired: its later upstreams find the node decided.
local function isDecided(change, index)
  if nodeOf(change, index) then return true end
  for _, entry in ipairs(change.ready) do
    if entry[1] == index then return true end
  end
  return false
end

-- Counts one more final upstream of a node. Returns what the node becomes, or nil if that isn't decided, or was before.
local function decide(change, index, fanIn, rule, propagates, n, count)
  local counts, all = fanIn == '1' and count or countUpstream(change, index, count), fanIn + 0
  local s, f, k = unpackCounts(counts)
  local complete = s + f + k == all
  if complete and all > 1 then
    change.set['w' .. index] = nil
    change.spent[#change.spent + 1] = 'w' .. index
  end
  if not complete and not isFast(rule) then return nil end
  local outcome = withSkips(outcomeOf(rule, n ~= '' and n + 0, s, f, k, all), propagates, k)
  if isFast(rule) and (not complete and outcome ~= 'Y' or isDecided(change, index)) then return nil end
  return outcome
end

-- What depends on the node `from` (see CompiledGraph.dependants) and became final or ready by its end: what `decide` and
-- `decideGroup` say of it.
local function decideDependant(change, from, shift, state, count, j, fanIn, rule, propagates, n, place)
  if rule ~= 'g' then
    local index = shifted(shift, j)
    return index, decide(change, index, fanIn, rule, propagates, n, count)
  end
  local index, own = groupIndex(change, shift, j, place)
  local outcome, forgiven = decideGroup(change, index, shifted(own, fanIn), propagates == 'k', n, from, state)
  if forgiven then forgiveItems(change, forgiven) end
  return index, outcome
end

-- The node `from` became final as `state`; `dependants`: <index>.<fan-in>.<rule><k if skips propagate><n>.<delayMs>.<place>,...
-- Goes on through everything that becomes final by it. Nodes that can run are collected in change.ready.
local function resolve(change, state, dependants, from)
  local queue, head = {state, dependants, from}, 1 -- in threes
  while head < #queue do
    local ended, list, ender = queue[head], queue[head + 1], queue[head + 2]
    local count, _, shift = countOf(ended), templateOf(ender)
    for j, fanIn, rule, propagates, n, delayMs, place in gmatch(list, '(%d+)%.(%d+)%.(%a)(k?)(%d*)%.(%d+)%.(%d+)') do
      local index, outcome = decideDependant(change, ender, shift, ended, count, j, fanIn, rule, propagates, n, place)
      if outcome == 'Y' then change.ready[#change.ready + 1] = {index, delayMs + 0, place, head == 1 and fanIn or ''}
      elseif outcome then
        finishVirtually(change, index, outcome)
        if rule == 'J' and outcome == 'S' then forgive(change, upstreamsOf(change, index)[1]) end
        append(queue, {outcome, graphField(change, 'd', index) or '', index})
      end
    end
    head = head + 3
  end
end

-- How many failures count when the run ends: of all nodes that nobody forgave, or of those of the flow's `succeedsWhen`.
local function countedFailures(change)
  local named = change.failed > 0 and call('HGET', graphKey(change.graph), 'succeedsWhen')
  if not named then return change.failed end
  local failed = 0
  for index in gmatch(named, '%d+') do
    local state = sub(nodeOf(change, index) or '', 1, 1)
    if state == 'F' or state == 'U' then failed = failed + 1 end
  end
  return failed
end
