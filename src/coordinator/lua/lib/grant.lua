-- Granting attempts of the nodes in a row to a delivery.
-- `delivery` is {run, ticket, lease, seen, slots, isolated}. A change that grants has two more fields:
--   slots   handlers that the delivery may still start      grants   <index>.<attempt>.<retries>.<crashes>.<fence>.<start>

local function mayGrant(change, slots)
  change.slots, change.grants = change.paused and 0 or slots, {}
end

local function addGrant(change, index, attempt, retries, crashes, fence, start)
  change.grants[#change.grants + 1] = index .. '.' .. attempt .. '.' .. retries .. '.' .. crashes .. '.' .. fence .. '.' .. start
end

-- The next attempt of a node runs, or, if it began before (`start`), the last one goes on. `since`: when a handler began to be
-- missing, if one was.
local function grantAttempt(change, ticket, index, attempts, retries, crashes, start, since)
  local fence = change.fence + 1
  change.slots, change.fence = change.slots - 1, fence
  fence = format('%d', fence)
  local attempt = start == '' and int(attempts) + 1 or int(attempts)
  if start == '' then start = change.elapsed end
  setNode(change, index, packNode('R', attempt, ticket, retries, crashes, start, since and (fence .. '/' .. since) or fence))
  addGrant(change, index, attempt, retries, crashes, fence, start)
end

-- Writes into `change` what one token of the row becomes. Returns the token to keep (nil: it left the row), and the
-- ms until it is due if it waits.
local function grantToken(change, delivery, row, token, many, opening)
  local mark = match(token, '^[+~!]') or ''
  if mark == '!' then return token end
  local index = sub(token, #mark + 1)
  local state, attempts, retries, crashes, start, x, _ = 'Y', '0', '0', '0', '', ''
  if not opening then
    state, attempts, _, retries, crashes, start, x = unpackNode(call('HGET', change.key, 'n' .. index))
  end
  if mark == '~' then
    local wait = int(x) + change.at - now
    if wait > 0 then return token, wait end
  elseif mark == '' and row.lease == delivery.lease then -- a lost reply: the same grant again
    addGrant(change, index, attempts, retries, crashes, match(x, '^%d*'), start)
    return token
  elseif mark == '' then -- its worker was lost
    local limit
    crashes, limit = chargeCrash(change, index, attempts, crashes, start)
    if crashes > limit then
      failNode(change, index, packNode('F', attempts, delivery.ticket, retries, crashes, start, change.elapsed),
        graphField(change, 'd', index) or '')
      return '!' .. index
    end
    if many then -- a company dissolves, so that a poison task is found (R6)
      local own = giveTicket(change, delivery.ticket, {index}, '+', 0, '')
      setNode(change, index, packNode('Y', attempts, own, retries, crashes, '', ''))
      return nil
    end
  end
  local goesOnFrom = state == 'Y' and start or ''
  if change.paused then
    park(change, index, attempts, retries, crashes, goesOnFrom, row.place)
    return nil
  end
  -- A node that was lost twice runs only where its delivery holds the process' one place for such (R6).
  if change.slots == 0 or (int(crashes) > 1 and not delivery.isolated) then
    setNode(change, index, packNode('Y', attempts, delivery.ticket, retries, crashes, goesOnFrom, ''))
    return '+' .. index
  end
  grantAttempt(change, delivery.ticket, index, attempts, retries, crashes, goesOnFrom, state == 'H' and start)
  return index
end

-- Grants nodes that have just become ready, so that nothing is stored of them yet, to free slots. Returns their tokens.
local function grantFresh(change, ticket, indices)
  local tokens = {}
  for i, index in ipairs(indices) do
    if change.slots == 0 then
      setNode(change, index, packNode('Y', '0', ticket, '0', '0', '', ''))
      tokens[i] = '+' .. index
    else
      grantAttempt(change, ticket, index, '0', '0', '0', '', false)
      tokens[i] = index
    end
  end
  return concat(tokens, ',')
end

-- Grants `+` tokens to free slots. Returns the tokens.
local function grantReady(change, ticket, tokens)
  if change.slots == 0 or not find(tokens, '+', 1, true) then return tokens end
  return (gsub(tokens, '%+(%d+)', function(index)
    if change.slots == 0 then return nil end
    local _, attempts, _, retries, crashes, start = unpackNode(nodeOf(change, index))
    if int(crashes) > 1 then return nil end
    grantAttempt(change, ticket, index, attempts, retries, crashes, start, false)
    return index
  end))
end

-- Grants what a live row holds and answers as `claim` does. `change` may hold decisions of the caller; `facts`: the run's
-- {options, place}, and input if it was just written; `again`: somebody claimed the row before, so it may owe tickets that
-- nobody added (R8); `opening`: nothing is stored of its nodes yet.
local function grantRow(change, delivery, facts, row, again, opening)
  local many, held, early = find(row.tokens, ',', 1, true), {}, 0
  mayGrant(change, delivery.slots)
  for token in gmatch(row.tokens, '[^,]+') do
    local kept, wait = grantToken(change, delivery, row, token, many, opening)
    held[#held + 1] = kept
    if wait then early = early == 0 and wait or min(early, wait) end
  end
  giveTickets(change, delivery.ticket, 1)
  local tokens = concat(held, ',')
  local left = rowLeft(tokens)
  putRow(change, delivery.ticket, left, delivery.seen, delivery.lease, row, tokens)
  writeChange(change)
  letGoUnread(change)
  local runEnd = change.left == 0 and endRun(change) or ''
  if runEnd == '' then announce(change.run, 'started') end
  local toAdd = again and owedBy(delivery.ticket, row.wrote, change.tickets) or concat(change.toAdd, ';')
  toAdd = joinTickets(toAdd, change.released or '')
  if left == 'failed' then return {'ended', toAdd, firstFailure(change.run, tokens), runEnd, change.graph} end
  -- Nodes that wait in the row for a slot need their values too: a settle may grant them without another claim.
  local needed = {}
  for i = 1, #held do needed[#needed + 1] = match(held[i], '^%+?(%d+)$') end
  local values, input = valuesFor(change.run, change.graph, needed, facts.input)
  local answer = {'granted', concat(change.grants, ','), early, toAdd, left, change.graph, facts.options or '', input, change.at,
    facts.place or ''}
  return append(answer, values)
end
