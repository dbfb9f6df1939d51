-- Writing what a move decided: ready nodes get tickets of their own as owed rows (R8), then all in one HSET.

-- `live` holds fields of the run as they were read: at, graph, left, failed, tickets.
local function newChange(run, live)
  return {run = run, key = runKey(run), at = int(live.at), graph = live.graph, left = int(live.left),
    failed = int(live.failed), tickets = int(live.tickets), nodes = {}, order = {}, ready = {}, spent = {}, fields = {}, toAdd = {}}
end

-- Gives node `index` a ticket of its own, owed by ticket `by`, due in `delayMs`.
-- `mark` is the token's mark: + ready, ~ waiting for its time.
local function giveTicket(change, by, index, mark, delayMs, place)
  local ticket = change.tickets + 1
  change.tickets = ticket
  local due = delayMs > 0 and nowCeil - change.at + delayMs or ''
  change.fields[#change.fields + 1] = 't' .. ticket
  change.fields[#change.fields + 1] = owedRow(by, due, place, mark .. index)
  change.toAdd[#change.toAdd + 1] = ticketToAdd(ticket, tostring(index), delayMs, place)
  return ticket, due
end

-- Tickets for all nodes that became ready.
local function giveTickets(change, by)
  for _, entry in ipairs(change.ready) do
    local index, delayMs = entry[1], entry[2]
    local ticket, due = giveTicket(change, by, index, delayMs > 0 and '~' or '+', delayMs, '')
    setNode(change, index, packNode(delayMs > 0 and 'W' or 'Y', 0, ticket, 0, 0, '', due))
  end
end

-- Keeps or removes the row of `ticket`, whose tokens are now `tokens`: what is left for its delivery is `left`.
local function putRow(change, ticket, left, seen, lease, row, tokens)
  if left == 'empty' then change.spent[#change.spent + 1] = 't' .. ticket
  else
    change.fields[#change.fields + 1] = 't' .. ticket
    change.fields[#change.fields + 1] = packRow(left == 'failed' and 'e' or 'c', seen, lease, row.by, '', row.place, tokens)
  end
end

-- Writes a change. Nothing in here can fail half-way: all decisions have been made.
local function writeChange(change)
  local fields = change.fields
  for _, index in ipairs(change.order) do
    fields[#fields + 1] = 'n' .. index
    fields[#fields + 1] = change.nodes[index]
  end
  for name, value in pairs({l = change.left, f = change.failed, c = change.tickets}) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  writeFields(change.key, fields)
  for _, field in ipairs(change.spent) do call('HDEL', change.key, field) end
end
