-- owed: the tickets that a ticket wrote and whose jobs nobody has claimed yet (R8), among those from `first` to `last`. An answer of
-- another move says when to ask: after a crash they may be ten thousand, so they are read in pages.
--
-- Arguments: run, ticket, first, last
-- Returns {'owed', toAdd}; toAdd ends with what is still to be asked for, if not all were looked at. Changes nothing.
local OWED_PAGE = 250

local function owed(run, ticket, first, last)
  local key, upTo, fields, toAdd = runKey(run), min(last + 0, first + OWED_PAGE - 1), {}, {}
  local at = int(call('HGET', key, 'at'))
  for t = first + 0, upTo do fields[#fields + 1] = 't' .. t end
  for i, row in ipairs(readFields(key, fields)) do
    if row and sub(row, 1, 1) == 'o' then
      local _, _, _, by, due, place, tokens = unpackRow(row)
      if by == ticket then toAdd[#toAdd + 1] = ticketToAdd(first + i - 1, tokens, max(0, int(due) + at - now), place) end
    end
  end
  return {'owed', joinTickets(concat(toAdd, ';'), toAsk(ticket, upTo + 1, last + 0))}
end
