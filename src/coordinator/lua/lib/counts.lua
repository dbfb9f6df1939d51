-- What a resolution works on. Upstream counts are packed into one number, w<index>: succeeded + failed * 2^16 +
-- skipped * 2^32. A node has at most 65,535 upstreams, and a map so many items (flow/graph.ts).
local FAILED, SKIPPED = 65536, 4294967296

local function countOf(state)
  if state == 'S' then return 1 end
  return hasFailed(state) and FAILED or SKIPPED
end

-- How many of the counted succeeded, failed, and were skipped.
local function unpackCounts(counts)
  return counts % FAILED, floor(counts % SKIPPED / FAILED), floor(counts / SKIPPED)
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

-- Any other field of the run, as this script has decided it. Nothing is written before all is decided: a settle of
-- several attempts that raises an error can be made one by one.
local function fieldOf(change, name)
  return change.set[name] or call('HGET', change.key, name)
end

-- The packed counts of a node's final upstreams, of which there are more by `count`.
local function countUpstream(change, index, count)
  local counts = int(fieldOf(change, 'w' .. index)) + count
  change.set['w' .. index] = counts
  return counts
end
