-- What a move answers that raised an error.
local function errorAnswer(raised)
  return {'error', tostring(type(raised) == 'table' and raised.err or raised)}
end
