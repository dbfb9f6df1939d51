-- Granting attempts of the nodes in a row to a delivery. `row` and `live` are unpacked fields of the run;
-- `delivery` is {run, ticket, lease, seen, slots, isolated, maxCrashes, retention}.

local function newGrants(slots, fence)
  return {slots = slots, fence = fence, list = {}, indices = {}, add = function(self, index, attempt, retries, crashes, token, start)
    self.list[#self.list + 1] = concat({index, attempt, retries, crashes, token, start}, '.')
    self.indices[#self.indices + 1] = index
  end}
end

-- The next attempt of a node runs. `since`: when a handler began to be missing, if one was.
local function grantAttempt(change, ticket, granted, index, attempts, retries, crashes, since)
  local attempt, start = int(attempts) + 1, now - change.at
  granted.slots = granted.slots - 1
  granted.fence = granted.fence + 1
  local x = since and (granted.fence .. '/' .. since) or granted.fence
  setNode(change, index, packNode('R', attempt, ticket, retries, crashes, start, x))
  granted:add(index, attempt, retries, crashes, granted.fence, start)
end

-- Writes into `change` what one token of the row becomes. Returns the token to keep (nil: it left the row), and the
-- ms until it is due if it waits.
local function grantToken(change, delivery, row, token, many, granted, opening)
  local mark = match(token, '^[+~!]') or ''
  if mark == '!' then return token end
  local index = sub(token, #mark + 1)
  local state, attempts, retries, crashes, start, x, _ = 'Y', 0, 0, 0, '', ''
  if not opening then
    state, attempts, _, retries, crashes, start, x = unpackNode(call('HGET', change.key, 'n' .. index))
  end
  if mark == '~' then
    local wait = int(x) + change.at - now
    if wait > 0 then return token, wait end
  elseif mark == '' and row.lease == delivery.lease then -- a lost reply: the same grant again
    granted:add(index, attempts, retries, crashes, match(x, '^%d*'), start)
    return token
  elseif mark == '' then -- its worker was lost
    local limit
    crashes, limit = chargeCrash(change, index, attempts, crashes, start, delivery.maxCrashes)
    if crashes > limit then
      failNode(change, index, packNode('F', attempts, delivery.ticket, retries, crashes, start, now - change.at),
        call('HGET', graphKey(change.graph), 'd' .. index) or '')
      return '!' .. index
    end
    if many then -- a company dissolves, so that a poison task is found (R6)
      local own = giveTicket(change, delivery.ticket, {index}, '+', 0, '')
      setNode(change, index, packNode('Y', attempts, own, retries, crashes, '', ''))
      return nil
    end
  end
  if change.paused then
    park(change, index, attempts, retries, crashes)
    return nil
  end
  -- A node that was lost twice runs only where its delivery holds the process' one place for such (R6).
  if granted.slots == 0 or (int(crashes) > 1 and not delivery.isolated) then
    setNode(change, index, packNode('Y', attempts, delivery.ticket, retries, crashes, '', ''))
    return '+' .. index
  end
  grantAttempt(change, delivery.ticket, granted, index, attempts, retries, crashes, state == 'H' and start)
  return index
end

-- Grants `+` tokens of a row to slots that a settle freed. `fresh`: nodes that have just become ready, so that nothing
-- is stored of them yet. Returns the tokens.
local function grantReady(change, ticket, tokens, granted, fresh)
  local held = {}
  for token in gmatch(tokens, '[^,]+') do
    local index = match(token, '^%+(%d+)$')
    if index and granted.slots > 0 then
      local attempts, retries, crashes = 0, 0, 0
      if not fresh[index] then
        local _
        _, attempts, _, retries, crashes = unpackNode(call('HGET', change.key, 'n' .. index))
      end
      if int(crashes) < 2 then
        grantAttempt(change, ticket, granted, index, attempts, retries, crashes, false)
        token = index
      end
    end
    held[#held + 1] = token
  end
  return concat(held, ',')
end

-- Grants what a live row holds and answers as `claim` does. `change` may hold decisions of the caller;
-- `again`: somebody claimed the row before, so it may owe tickets that nobody added (R8); `opening`: nothing is stored
-- of its nodes yet.
local function grantRow(change, delivery, live, row, again, opening)
  local many = find(row.tokens, ',', 1, true)
  local granted, held, early = newGrants(delivery.slots, int(live.fence)), {}, 0
  for token in gmatch(row.tokens, '[^,]+') do
    local kept, wait = grantToken(change, delivery, row, token, many, granted, opening)
    held[#held + 1] = kept
    if wait then early = early == 0 and wait or min(early, wait) end
  end
  giveTickets(change, delivery.ticket, 1)
  local tokens = concat(held, ',')
  local left = rowLeft(tokens)
  putRow(change, delivery.ticket, left, delivery.seen, delivery.lease, row, tokens)
  change.fields[#change.fields + 1] = 'z'
  change.fields[#change.fields + 1] = granted.fence
  writeChange(change)
  if change.left == 0 then endRun(change.run, change.failed, change.at, delivery.retention)
  else announce(change.run, 'started') end
  local toAdd = again and owedBy(change.key, change.tickets, delivery.ticket, change.at) or concat(change.toAdd, ';')
  if left == 'failed' then return {'ended', toAdd, firstFailure(change.run, tokens)} end
  -- Nodes that wait in the row for a slot need their values too: a settle may grant them without another claim.
  for token in gmatch(tokens, '%+(%d+)') do granted.indices[#granted.indices + 1] = token end
  local values, input = valuesFor(change.run, change.graph, granted.indices)
  return {'granted', concat(granted.list, ','), early, toAdd, left, change.graph, live.options or '', input, values, change.at,
    live.place or ''}
end
