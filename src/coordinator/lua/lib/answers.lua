-- What moves answer with: flat lists of fields.

local function append(list, more)
  for i = 1, #more do list[#list + 1] = more[i] end
  return list
end

local function errorAnswer(raised)
  return {'error', tostring(type(raised) == 'table' and raised.err or raised)}
end
