-- Instances of nodes (flow/instances.ts): a node in the body of a map has the index instance * 1000000 + its index in the
-- graph, and the graph's fields are found by the latter. `shift` is the first part, 0 outside of all maps; an index that
-- is one of its own, so without a second part, is the item's.
local INSTANCE = 1000000

-- An index' node in the graph, and its shift.
local function templateOf(index)
  if #index < 7 then return index, 0 end
  local template = index % INSTANCE
  return format('%d', template), index - template
end

local function shifted(shift, template)
  return shift == 0 and template or format('%d', shift + template)
end

local function isItem(index) return #index > 6 and sub(index, -6) == '000000' end

-- A field that the graph has of a node: `letter` as CompiledGraph.fields names them.
local function graphField(change, letter, index)
  return call('HGET', graphKey(change.graph), letter .. templateOf(index))
end

-- The shift of the body of map `around` in which, or in a map of which, an instance lies.
local function shiftAround(change, shift, around)
  local instance, at = shift / INSTANCE, 0
  for base, stride in gmatch(call('HGET', graphKey(change.graph), 'b' .. around) or '', '(%d+)%.(%d+)') do
    at = at + base + floor((instance - at - base) / stride) * stride
  end
  return at * INSTANCE
end
