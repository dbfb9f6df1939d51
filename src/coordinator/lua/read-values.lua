-- readValues: what a node's input is made of, for a worker that goes on with a node and lacks some of it.
--
-- Arguments: run, graph (hash), index
-- Returns {'values', input, values...}, as `claim` gives them. Changes nothing.
local function readValues(run, graph, index)
  local values, input = valuesFor(run, graph, {index})
  return append({'values', input}, values)
end
