-- retryNodes: the manual retry in place that a person asks for by name (R12): finally failed nodes leave the rows that hold
-- them for tickets of their own, owed by nobody: whoever retries adds their jobs, and if he dies before, the reconciler does.
--
-- Arguments: run, index (of a node; '' for all that have failed and were not made up for)
-- Returns {'ok', toAdd, graph, place}, or {'refused', reason}: no_run | succeeded | cancelled | refused (no node ever ran) |
--   creating | not_failed | has_rerun | descendant_started
-- Announces: settled. A second call finds no failed node.
local REFUSED_STATES = {S = 'succeeded', C = 'cancelled', X = 'refused', N = 'creating'}

-- The ticket whose row holds a finally failed node, by its index; nil if none does.
local function failedNode(key, index)
  local _, _, ticket = unpackNode(call('HGET', key, 'n' .. index) or '')
  local row = ticket and call('HGET', key, 't' .. ticket)
  if not row or not find(',' .. readRow(row).tokens .. ',', ',!' .. index .. ',', 1, true) then return nil end
  return {[index] = ticket}
end

-- The same of all that nothing has made up for.
local function failedNodes(key, tickets)
  local fields, nodes, at, found = {}, {}, {}, {}
  for t = 0, tickets do fields[t + 1] = 't' .. t end
  for t, text in ipairs(readFields(key, fields)) do
    for index in gmatch(text and readRow(text).tokens or '', '!(%d+)') do
      nodes[#nodes + 1], at[#nodes + 1] = 'n' .. index, t - 1
    end
  end
  for i, packed in ipairs(readFields(key, nodes)) do
    if unpackNode(packed) == 'F' then found[sub(nodes[i], 2)] = at[i] end
  end
  return next(found) and found
end

local function leaveRows(change, retried)
  local rows = {}
  for index, ticket in pairs(retried) do
    local row = rows[ticket] or readRow(call('HGET', change.key, 't' .. ticket))
    row.tokens = replaceToken(row.tokens, '!' .. index, nil)
    rows[ticket] = row
  end
  for ticket, row in pairs(rows) do
    if row.tokens == '' then change.spent[#change.spent + 1] = 't' .. ticket
    else
      change.fields[#change.fields + 1] = 't' .. ticket
      change.fields[#change.fields + 1] = packRow(row.state, row.seen, row.lease, row.by, row.wrote, row.place, row.tokens)
    end
  end
end

local function retryNodes(run, only)
  local stored = readRun(run, '0')
  if not stored.state then return {'refused', 'no_run'} end
  if REFUSED_STATES[stored.state] then return {'refused', REFUSED_STATES[stored.state]} end
  local change = changeOf(run, stored)
  local retried
  if only == '' then retried = failedNodes(change.key, change.tickets)
  else retried = failedNode(change.key, only) end
  if not retried then return {'refused', 'not_failed'} end
  local list, tickets = {}, {}
  for index in pairs(retried) do
    list[#list + 1] = index
    tickets[index] = change.tickets + #list
  end
  local refusal = reopenNodes(change, stored.state, retried, function(index) return tickets[index] end, 'api')
  if refusal then return {'refused', refusal} end
  leaveRows(change, retried)
  for _, index in ipairs(list) do giveTicket(change, '', {index}, '+', 0, '') end
  writeChange(change)
  announce(run, 'settled')
  return {'ok', concat(change.toAdd, ';'), change.graph, stored.place or ''}
end
