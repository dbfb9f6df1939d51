-- Groups: the results of a map (flow/graph.ts). A group is counted up by the ends of its items and becomes final with the
-- last of them, or with the map if that failed or was skipped. Of the run's fields, by index of the instance:
--   c<map>          how many items the map has made; behind `=` once those are all
--   w<group>        packed counts of its items that are final, as of any upstreams; kept for a manual retry
--   f<group>        the first in order of the nodes whose ends were those of failed items
--   f<group>.<n>    that of the n-th item that failed

-- The index of a group as seen from its map or from an item of it. `around`: the map around it + 1, or 0.
local function groupIndex(change, shift, template, around)
  if around == '0' then return template, 0 end
  local own = shiftAround(change, shift, format('%d', around - 1))
  return shifted(own, template), own
end

-- The nodes whose ends were those of failed items, first failure first.
local function failedItems(change, group, counts)
  local list = {}
  local _, failures = unpackCounts(counts)
  for n = 1, failures do list[n] = call('HGET', change.key, 'f' .. group .. '.' .. n) end
  return list
end

local function noteFailure(change, group, from, counts)
  local _, failures = unpackCounts(counts)
  local first = call('HGET', change.key, 'f' .. group)
  call('HSET', change.key, 'f' .. group .. '.' .. failures, from,
    'f' .. group, first and tonumber(first) < tonumber(from) and first or from)
end

-- Notes the end of `from`, which is the group's map or one of its items. Returns what the group becomes, or nil if that
-- isn't decided, or was before, and the items whose failures are tolerated.
local function decideGroup(change, group, map, isFraction, n, from, state)
  local counts, made
  if from == map then
    if state ~= 'S' then return not nodeOf(change, group) and (hasFailed(state) and 'U' or 'K') or nil end
    counts, made = int(call('HGET', change.key, 'w' .. group)), call('HGET', change.key, 'c' .. map) or '0'
  else
    counts = call('HINCRBY', change.key, 'w' .. group, countOf(state))
    if hasFailed(state) then noteFailure(change, group, from, counts) end
    made = call('HGET', change.key, 'c' .. map)
    if sub(made, 1, 1) ~= '=' then return nil end
  end
  local s, f, k = unpackCounts(counts)
  local all = tonumber(match(made, '%d+'))
  if s + f + k < all or nodeOf(change, group) then return nil end
  if f > (isFraction and floor(all * n / 1000000) or tonumber(n)) then return 'U' end
  return 'S', failedItems(change, group, counts)
end
