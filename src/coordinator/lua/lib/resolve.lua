-- Resolves what depends on nodes that became final: triggers (section 4 of the design), virtual nodes, forgiveness.
-- Upstream counts are packed into one number, w<index>: succeeded + failed * 2^16 + skipped * 2^32.
local FAILED, SKIPPED = 65536, 4294967296

local function countOf(state)
  if state == 'S' then return 1 end
  return state == 'K' and SKIPPED or FAILED
end

-- What a node becomes when all of its upstreams are final. Rules: s all_success, f any_failed;
-- virtual: G gate (plan B's door), J join of plan A and plan B, D settled.
-- Returns Y (ready), S, U or K.
local function outcomeOf(rule, counts)
  local skipped = floor(counts / SKIPPED)
  local failed = floor(counts % SKIPPED / FAILED)
  local succeeded = counts % FAILED
  if rule == 's' then return failed > 0 and 'U' or (skipped > 0 and 'K' or 'Y') end
  if rule == 'f' then return failed > 0 and 'Y' or 'K' end
  if rule == 'G' then return failed > 0 and 'S' or 'K' end
  if rule == 'J' then return succeeded > 0 and 'S' or (failed > 0 and 'U' or 'K') end
  return 'S'
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

-- `dependants` of a node that became final as `state`: <index>.<fan-in>.<rule>.<delayMs>.<place>,...
-- Goes on through everything that becomes final by it. Nodes that can run are collected in change.ready.
local function resolve(change, state, dependants)
  local queue, head = {{state, dependants}}, 1
  while head <= #queue do
    local count = countOf(queue[head][1])
    for j, fanIn, rule, delayMs, place in gmatch(queue[head][2], '(%d+)%.(%d+)%.(%a)%.(%d+)%.(%d+)') do
      local counts, complete = count, true
      if fanIn ~= '1' then
        counts = call('HINCRBY', change.key, 'w' .. j, count)
        complete = counts % FAILED + floor(counts % SKIPPED / FAILED) + floor(counts / SKIPPED) == tonumber(fanIn)
        if complete then change.spent[#change.spent + 1] = 'w' .. j end
      end
      if complete then
        local outcome = outcomeOf(rule, counts)
        if outcome == 'Y' then change.ready[#change.ready + 1] = {j, tonumber(delayMs), place, head == 1 and fanIn or ''}
        else
          finishVirtually(change, j, outcome)
          if rule == 'J' and outcome == 'S' then forgive(change, upstreamsOf(change, j)[1]) end
          queue[#queue + 1] = {outcome, call('HGET', graphKey(change.graph), 'd' .. j) or ''}
        end
      end
    end
    head = head + 1
  end
end
