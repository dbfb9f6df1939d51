-- Writing what a move decided: ready nodes get tickets of their own as owed rows (R8), then all in one HSET.

-- What a move decides about a run and has not written yet. `counters`, `paused`: the run's fields k and pz.
--   at, graph          of the run           elapsed   ms since the run was opened, as text
--   left, failed, tickets, fence            the run's counters               firstNew  the first ticket that it writes
--   nodes              index -> packed      ready     nodes that can run: see resolve.lua
--   set                field -> value, of others that a resolution reads and changes
--   fields             to be written: field, value, ...                     spent   fields to be removed
--   toAdd              tickets whose jobs the worker is to add              parked  nodes of a paused run
--   isRed              of a run that ends: it has failed
local function newChange(run, at, graph, counters, paused)
  local left, failed, tickets, fence = match(counters, '^(%d+)%.(%d+)%.(%d+)%.(%d+)$')
  tickets = tickets + 0
  return {run = run, key = runKey(run), at = at + 0, graph = graph, paused = paused, elapsed = format('%d', now - at),
    left = left + 0, failed = failed + 0, tickets = tickets, firstNew = tickets + 1, fence = fence + 0,
    nodes = {}, set = {}, ready = {}, fields = {}, spent = {}, toAdd = {}, parked = {}}
end

-- Gives nodes a ticket of their own, owed by ticket `by`, due in `delayMs`.
-- `mark` is their tokens' mark: + ready, ~ waiting for its time. Returns the ticket and the due time.
local function giveTicket(change, by, indices, mark, delayMs, place)
  local ticket = change.tickets + 1
  change.tickets = ticket
  local due = delayMs > 0 and nowCeil - change.at + delayMs or ''
  local tokens = mark .. concat(indices, ',' .. mark)
  change.fields[#change.fields + 1] = 't' .. ticket
  change.fields[#change.fields + 1] = owedRow(by, due, place, tokens)
  change.toAdd[#change.toAdd + 1] = ticketToAdd(ticket, tokens, delayMs, place)
  return ticket, due
end

-- Ready nodes that share a ticket are a company (R24).
local function giveCompany(change, by, indices)
  local ticket = giveTicket(change, by, indices, '+', 0, '')
  for _, index in ipairs(indices) do setNode(change, index, packNode('Y', '0', ticket, '0', '0', '', '')) end
end

-- A paused run: the node waits in no row until somebody resumes (R14). `place`: that of its row.
local function park(change, index, attempts, retries, crashes, start, place)
  setNode(change, index, packNode('P', attempts, '', retries, crashes, start, ''))
  change.parked[#change.parked + 1] = place == '' and index or index .. '=' .. place
end

-- Tickets for all nodes that became ready: companies of at most `grain` nodes of one place; delayed nodes go alone, and in a
-- paused run too: whoever claims one when its time has come parks it.
local function giveTickets(change, by, grain)
  if #change.ready == 0 then return end
  local companies = {}
  for _, entry in ipairs(change.ready) do
    local index, delayMs, place = entry[1], entry[2], entry[3]
    if delayMs > 0 then
      local ticket, due = giveTicket(change, by, {index}, '~', delayMs, '')
      setNode(change, index, packNode('W', 0, ticket, 0, 0, '', due))
    elseif change.paused then park(change, index, 0, 0, 0, '', '')
    else
      local company = companies[place] or {}
      companies[place] = company
      company[#company + 1] = index
      if #company >= grain then
        giveCompany(change, by, company)
        companies[place] = nil
      end
    end
  end
  for _, company in pairs(companies) do giveCompany(change, by, company) end
end

-- Keeps or removes the row of `ticket`, whose tokens are now `tokens`: what is left for its delivery is `left`.
local function putRow(change, ticket, left, seen, lease, row, tokens)
  row.wrote = noteWritten(row.wrote, change.firstNew, change.tickets)
  if left == 'empty' then change.spent[#change.spent + 1] = 't' .. ticket
  else
    change.fields[#change.fields + 1] = 't' .. ticket
    change.fields[#change.fields + 1] = packRow(left == 'failed' and 'e' or 'c', seen, lease, row.by, row.wrote,
      row.place, tokens)
  end
end

-- The same after a settle, of a row as readClaimedRow gave it.
local function putClaimedRow(change, ticket, left, row)
  if left == 'empty' then change.spent[#change.spent + 1] = 't' .. ticket
  else
    change.fields[#change.fields + 1] = 't' .. ticket
    change.fields[#change.fields + 1] = (left == 'failed' and 'e' or 'c')
      .. noteInHead(row.head, change.firstNew, change.tickets) .. row.tokens
  end
end

-- Writes a change, and the run's end if all nodes are final. Nothing in here can fail half-way: all decisions have been
-- made.
local function writeChange(change)
  local fields = change.fields
  for index, packed in pairs(change.nodes) do
    fields[#fields + 1] = 'n' .. index
    fields[#fields + 1] = packed
  end
  for name, value in pairs(change.set) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if #change.parked > 0 then
    local before = call('HGET', change.key, 'pk')
    fields[#fields + 1] = 'pk'
    fields[#fields + 1] = (before and (before .. ',') or '') .. concat(change.parked, ',')
  end
  fields[#fields + 1] = 'k'
  fields[#fields + 1] = format('%d.%d.%d.%d', change.left, change.failed, change.tickets, change.fence)
  if change.left == 0 then
    change.isRed = countedFailures(change) > 0
    fields[#fields + 1] = 's'
    fields[#fields + 1] = change.isRed and 'F' or 'S'
    fields[#fields + 1] = 'e'
    fields[#fields + 1] = change.elapsed
  end
  writeFields(change.key, fields)
  if #change.spent > 0 then removeFields(change.key, change.spent) end
end
