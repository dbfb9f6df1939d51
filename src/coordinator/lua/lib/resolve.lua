-- Resolves what depends on nodes that became final: counts them for each dependant, asks the truth table (triggers.lua)
-- and forgives.
-- Upstream counts are packed into one number, w<index>: succeeded + failed * 2^16 + skipped * 2^32. A node has at most
-- 65,535 upstreams (flow/graph.ts).
local FAILED, SKIPPED = 65536, 4294967296

local function countOf(state)
  if state == 'S' then return 1 end
  return hasFailed(state) and FAILED or SKIPPED
end

-- One resolution works on a `change`: what this script has decided and not written yet.
--   see newChange in tickets.lua; ready: list of {index, delayMs, place, fan-in}, fan-in only where the settled node itself is
--   an upstream
local function nodeOf(change, index)
  return change.nodes[index] or call('HGET', change.key, 'n' .. index)
end

local function setNode(change, index, packed)
  change.nodes[index] = packed
end

local function upstreamsOf(change, index)
  local list = {}
  for up in gmatch(call('HGET', graphKey(change.graph), 'u' .. index) or '', '%d+') do list[#list + 1] = up end
  return list
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

-- Plan B has a value: plan A's node and the failed nodes that made it fail are forgiven.
local function forgive(change, index)
  local packed = nodeOf(change, index)
  local state = packed and sub(packed, 1, 1)
  if state ~= 'F' and state ~= 'U' then return end
  setNode(change, index, (state == 'F' and 'f' or 'u') .. sub(packed, 2))
  change.failed = change.failed - 1
  if state == 'U' then
    for _, up in ipairs(upstreamsOf(change, index)) do forgive(change, up) end
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

-- The packed counts of a node's final upstreams, of which there is one more.
local function countUpstream(change, index, count)
  local counts = (change.counts[index] or int(call('HGET', change.key, 'w' .. index))) + count
  change.counts[index] = counts
  return counts
end

-- Counts one more final upstream of a node. Returns what the node becomes, or nil if that isn't decided, or was before.
local function decide(change, index, fanIn, rule, propagates, n, count)
  local counts = fanIn == '1' and count or countUpstream(change, index, count)
  local s, f, k, all = counts % FAILED, floor(counts % SKIPPED / FAILED), floor(counts / SKIPPED), fanIn + 0
  local complete = s + f + k == all
  if complete and all > 1 then
    change.counts[index] = nil
    change.spent[#change.spent + 1] = 'w' .. index
  end
  if not complete and not isFast(rule) then return nil end
  local outcome = withSkips(outcomeOf(rule, n ~= '' and n + 0, s, f, k, all), propagates, k)
  if isFast(rule) and (not complete and outcome ~= 'Y' or isDecided(change, index)) then return nil end
  return outcome
end

-- `dependants` of a node that became final as `state`: <index>.<fan-in>.<rule><k if skips propagate><n>.<delayMs>.<place>,...
-- Goes on through everything that becomes final by it. Nodes that can run are collected in change.ready.
local function resolve(change, state, dependants)
  local queue, head = {state, dependants}, 1 -- pairs
  while head < #queue do
    local count = countOf(queue[head])
    for j, fanIn, rule, propagates, n, delayMs, place in gmatch(queue[head + 1], '(%d+)%.(%d+)%.(%a)(k?)(%d*)%.(%d+)%.(%d+)') do
      local outcome = decide(change, j, fanIn, rule, propagates, n, count)
      if outcome == 'Y' then change.ready[#change.ready + 1] = {j, delayMs + 0, place, head == 1 and fanIn or ''}
      elseif outcome then
        finishVirtually(change, j, outcome)
        if rule == 'J' and outcome == 'S' then forgive(change, upstreamsOf(change, j)[1]) end
        append(queue, {outcome, call('HGET', graphKey(change.graph), 'd' .. j) or ''})
      end
    end
    head = head + 2
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
