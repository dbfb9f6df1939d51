-- readValues: values that a worker lacks, of a node that it goes on with or of the items of a group.
--
-- Arguments: run, indices (<index>,... or of a group <index>:<its map>,...), withInput ('1': the run's input too)
-- Returns {'values', input, values...}, as `claim` gives them. Changes nothing.
local function readValues(run, indices, withInput)
  local list, maps = {}, {}
  for index, map in gmatch(indices, '(%d+):?(%d*)') do
    list[#list + 1] = index
    maps[index] = map ~= '' and map or nil
  end
  return append({'values', withInput == '1' and call('HGET', runKey(run), 'i') or ''}, readValuesOf(run, list, maps))
end
