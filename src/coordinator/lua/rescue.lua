-- rescue: the reconciler's move (R16): what a row holds goes to a new ticket, because the job of its own is gone.
--
-- Arguments: run, ticket, row (as it was when the reconciler looked, at least B ago)
-- Returns {'ok', toAdd} or {'refused', 'changed'} if the run has ended or the row is not what it was.
-- A node that was running keeps its token: the new ticket's claim finds it under an older lease and charges the crash.
-- Finally failed nodes stay in the old row. Idempotent: a second call finds another row.
local function rescue(run, ticket, seenRow)
  local stored, rowText = readRun(run, ticket)
  if stored.state ~= 'R' or rowText ~= seenRow then return {'refused', 'changed'} end
  local change = changeOf(run, stored)
  local row, moved, kept = readRow(rowText), {}, {}
  local new = change.tickets + 1
  for token in gmatch(row.tokens, '[^,]+') do
    local mark, index = match(token, '^([+~!]?)(%d+)$')
    if mark == '!' then kept[#kept + 1] = token
    else
      moved[#moved + 1] = token
      local state, attempts, _, retries, crashes, start, x = unpackNode(call('HGET', change.key, 'n' .. index))
      setNode(change, index, packNode(state, attempts, new, retries, crashes, start, x))
    end
  end
  if #moved == 0 then return {'refused', 'changed'} end
  change.tickets = new
  local tokens = concat(moved, ',')
  change.fields = {'t' .. new, owedRow('', '', row.place, tokens)}
  if #kept > 0 then
    change.fields[3] = 't' .. ticket
    change.fields[4] = packRow('e', row.seen, row.lease, row.by, row.wrote, row.place, concat(kept, ','))
  else change.spent[#change.spent + 1] = 't' .. ticket end
  writeChange(change)
  return {'ok', ticketToAdd(new, tokens, 0, row.place)}
end

-- adopt: a node that can run but is held by no row gets a ticket.
--
-- Arguments: run, index, node (as it was when the reconciler looked)
-- Returns as `rescue`.
-- A node that waits for a child run which is gone goes on, and finds that out.
local ADOPTED = {Y = '+', R = '', T = '~', W = '~', H = '~', B = '~', O = '~', L = '~', C = '+'}

local function adopt(run, index, seenNode)
  local stored = readRun(run, '0')
  local packed = call('HGET', runKey(run), 'n' .. index)
  if stored.state ~= 'R' or packed ~= seenNode then return {'refused', 'changed'} end
  local change = changeOf(run, stored)
  local state, attempts, _, retries, crashes, start, x = unpackNode(packed)
  local ticket = giveTicket(change, '', {index}, ADOPTED[state], 0, '')
  setNode(change, index, packNode(state == 'C' and 'Y' or state, attempts, ticket, retries, crashes, start, x))
  writeChange(change)
  return {'ok', concat(change.toAdd, ';')}
end
