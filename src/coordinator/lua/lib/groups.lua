-- Groups: the results of a map (flow/graph.ts). A group is counted up by the ends of its items and becomes final with the
-- last of them, or with the map if that failed or was skipped. Of the run's fields, by index of the instance:
--   c<map>          how many items the map has made; behind `=` once those are all
--   w<group>        packed counts of its items that are final, as of any upstreams; kept for a manual retry
--   f<group>        the first in order of the nodes whose ends were those of failed items
--   f<group>.<n>    one of them each, n from 1

-- The index of a group as seen from its map or from an item of it. `around`: the map around it + 1, or 0.
local function groupIndex(change, shift, template, around)
  if around == '0' then return template, 0 end
  local own = shiftAround(change, shift, format('%d', around - 1))
  return shifted(own, template), own
end

-- The nodes whose ends were those of failed items, in no order.
local function failedItems(change, group, counts)
  local fields, _, failures = {}, unpackCounts(counts)
  for n = 1, failures do fields[n] = 'f' .. group .. '.' .. n end
  local list = readFields(change.key, fields)
  for n = 1, failures do list[n] = change.set[fields[n]] or list[n] end
  return list
end

local function noteFailure(change, group, from, counts)
  local _, failures = unpackCounts(counts)
  local first = fieldOf(change, 'f' .. group)
  change.set['f' .. group .. '.' .. failures] = from
  change.set['f' .. group] = first and tonumber(first) < tonumber(from) and first or from
end

-- Notes the end of an item. Returns the group's counts, and false if the group was decided before: with its map, when
-- that failed after some items. A failure that comes too late for a group that was forgiven is forgiven too.
local function noteItem(change, group, from, state)
  local counts = countUpstream(change, group, countOf(state))
  local decided = nodeOf(change, group)
  if not hasFailed(state) then return counts, not decided end
  noteFailure(change, group, from, counts)
  local isForgiven = decided and sub(decided, 1, 1) == 'u'
  return counts, not decided, isForgiven and {from} or nil
end

-- Notes the end of `from`, which is the group's map or one of its items. Returns what the group becomes, or nil if that
-- isn't decided, or was before; and items whose failures are forgiven.
local function decideGroup(change, group, map, isFraction, n, from, state)
  local counts, isOpen, forgiven
  if from ~= map then
    counts, isOpen, forgiven = noteItem(change, group, from, state)
    if not isOpen then return nil, forgiven end
  elseif nodeOf(change, group) then return nil
  elseif state ~= 'S' then return hasFailed(state) and 'U' or 'K'
  else counts = int(fieldOf(change, 'w' .. group)) end
  local made = fieldOf(change, 'c' .. map)
  if sub(made, 1, 1) ~= '=' then return nil end
  local s, f, k = unpackCounts(counts)
  local all = tonumber(sub(made, 2))
  if s + f + k < all then return nil end
  if f > (isFraction and floor(all * n / 1000000) or tonumber(n)) then return 'U' end
  return 'S', failedItems(change, group, counts)
end
