-- The values that a worker needs to resolve the inputs of nodes (R25): opaque strings, never decoded here.
local MAX_INLINE = 65536 -- bytes of results in one answer; the worker reads what is beyond them apart

-- What nodes need, from the graph: the union of their needs, and whether the run's input is among them.
local function needsOf(graph, indices)
  local fields, seen, list, withInput = {}, {}, {}, false
  for i = 1, #indices do fields[i] = 'n' .. indices[i] end
  for _, needs in ipairs(readFields(graphKey(graph), fields)) do
    for need in gmatch(needs or '', '[^,]+') do
      if need == 'i' then withInput = true
      elseif not seen[need] then
        seen[need] = true
        list[#list + 1] = need
      end
    end
  end
  return list, withInput
end

-- The payload of a final node: its result, or the last log line of it or of the node that made it fail.
local function payloadOf(run, index, packed, result)
  local state, _, _, _, _, _, x = unpackNode(packed or '')
  if state == 'F' or state == 'f' then return state, lastLine(call('HGET', logKey(run), index)) end
  if state == 'U' or state == 'u' then return state, lastLine(call('HGET', logKey(run), x)) end
  return state or '', result or ''
end

-- Returns {index, state letter, payload or nil, ...} and the run's input (JSON) if it is needed, else ''.
local function valuesFor(run, graph, indices)
  local list, withInput = needsOf(graph, indices)
  local fields, values, bytes = {}, {}, 0
  for i = 1, #list do fields[i] = 'n' .. list[i] end
  local states, results = readFields(runKey(run), fields), readFields(outKey(run), list)
  for i = 1, #list do
    local state, payload = payloadOf(run, list[i], states[i], results[i])
    if state == 'S' then bytes = bytes + #payload end
    values[#values + 1] = list[i]
    values[#values + 1] = state
    values[#values + 1] = (state ~= 'S' or bytes <= MAX_INLINE) and payload or false
  end
  return values, withInput and call('HGET', runKey(run), 'i') or ''
end
