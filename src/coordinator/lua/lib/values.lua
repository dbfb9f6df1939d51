-- The values that a worker needs to resolve the inputs of nodes (R25): opaque strings, never decoded here.
local MAX_INLINE = 65536 -- bytes of results in one answer; the worker reads what is beyond them apart

-- One need of a node in the body that `shift` stands for (see CompiledGraph.needs): the index, and of a group its map's.
local function readNeed(shift, need)
  if need == '.' then return shifted(shift, 0) end
  local outer, index, map = match(need, '^(=?)(%d+):?(%d*)$')
  if not index then return nil end
  if outer == '=' then shift = 0 end
  return shifted(shift, index), map ~= '' and shifted(shift, map)
end

-- What nodes need, from the graph: the union of their needs, which of them are groups (by index, their maps), and whether
-- the run's input is among them.
local function needsOf(graph, indices)
  local fields, shifts, seen, list, maps, withInput = {}, {}, {}, {}, {}, false
  for i = 1, #indices do
    local template
    template, shifts[i] = templateOf(indices[i])
    fields[i] = 'n' .. template
  end
  for i, needs in ipairs(readFields(graphKey(graph), fields)) do
    for need in gmatch(needs or '', '[^,]+') do
      local index, map = readNeed(shifts[i], need)
      if need == 'i' then withInput = true
      elseif index and not seen[index] then
        seen[index] = true
        list[#list + 1] = index
        maps[index] = map or nil
      end
    end
  end
  return list, maps, withInput
end

-- The payload of a final node: its result, or the last log line of it or of the node that made it fail.
local function payloadOf(run, index, packed, result)
  local state, _, _, _, _, _, x = unpackNode(packed or '')
  if state == 'F' or state == 'f' then return state, lastLine(call('HGET', logKey(run), index)) end
  if state == 'U' or state == 'u' then return state, lastLine(call('HGET', logKey(run), x)) end
  return state or '', result or ''
end

-- Of a group: how many items its map has made, and the last log line of the node that made it fail.
local function payloadOfGroup(run, map, packed)
  local state, line = payloadOf(run, '', packed, '')
  return state, match(call('HGET', runKey(run), 'c' .. map) or '0', '%d+') .. '|' .. line
end

-- Returns index, state letter, payload or nil, of each. `maps`: by the index of a group, its map's.
local function readValuesOf(run, list, maps)
  local fields, values, bytes = {}, {}, 0
  for i = 1, #list do fields[i] = 'n' .. list[i] end
  local states, results = readFields(runKey(run), fields), readFields(outKey(run), list)
  for i = 1, #list do
    local index, state, payload = list[i]
    if maps[index] then state, payload = payloadOfGroup(run, maps[index], states[i])
    elseif isItem(index) then state, payload = 'S', results[i] or ''
    else state, payload = payloadOf(run, index, states[i], results[i]) end
    if state == 'S' then bytes = bytes + #payload end
    values[#values + 1] = index
    values[#values + 1] = state
    values[#values + 1] = (state ~= 'S' or maps[index] or bytes <= MAX_INLINE) and payload or false
  end
  return values
end

-- What nodes need: {index, state letter, payload or nil, ...}, and the run's input (JSON) if it is needed, else ''. `input`:
-- that of a run which was just written.
local function valuesFor(run, graph, indices, input)
  local list, maps, withInput = needsOf(graph, indices)
  return readValuesOf(run, list, maps), withInput and (input or call('HGET', runKey(run), 'i')) or ''
end
