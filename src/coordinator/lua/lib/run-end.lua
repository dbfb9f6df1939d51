-- The end of a run: its retention begins, and the node of its parent that waits for it goes on (flow.asRun). Parent and child
-- share their shard's hash tag, so that both happen in the script that ends the child.

-- A child that its parent has to read is kept so long: as long as its stored graph (open.lua).
local HELD = 90 * 86400000

-- A node whose child has ended goes on with its attempt, in a ticket of its own that nobody owes: whoever ended the child adds
-- its job, and if he dies before, the reconciler of the parent does (R16).
local function goOnAfterChild(parent, index, node, stored)
  local change = newChange(parent, stored.at, stored.graph, stored.counters, stored.paused)
  if stored.paused then park(change, index, node.attempts, node.retries, node.crashes, node.start, '')
  else
    local ticket = giveTicket(change, '', {index}, '+', 0, '')
    setNode(change, index, packNode('Y', node.attempts, ticket, node.retries, node.crashes, node.start, ''))
  end
  writeChange(change)
  announce(parent, 'settled')
  return change.toAdd[1]
end

-- The ticket of a node that has gone on, if nobody has claimed it yet.
local function stillOwed(parent, ticket)
  local row = call('HGET', runKey(parent), 't' .. ticket)
  if not row then return nil end
  local state, _, _, _, _, place, tokens = unpackRow(row)
  return state == 'o' and ticketToAdd(ticket, tokens, 0, place) or nil
end

-- Lets the node go on that waits for a run which has ended. Returns whether its parent has still to read it, and the ticket to
-- add: <parent>/<ticket...> or ''. Idempotent: asked again it names the same ticket, until somebody has claimed it.
local function tellParent(run)
  local waiting = call('HGET', runKey(run), 'wt')
  if not waiting then return false, '' end
  local parent, index = match(waiting, '^(.*)|(%d+)$')
  local state, packed, child, at, graph, counters, paused =
    unpack(call('HMGET', runKey(parent), 's', 'n' .. index, 'a' .. index, 'at', 'g', 'k', 'pz'))
  if state ~= 'R' or child ~= run then return false, '' end
  local letter, attempts, ticket, retries, crashes, start = unpackNode(packed)
  if isFinal(letter) then return false, '' end
  local toAdd
  if letter == 'C' then
    toAdd = goOnAfterChild(parent, index, {attempts = attempts, retries = retries, crashes = crashes, start = start},
      {at = at, graph = graph, counters = counters, paused = paused})
  elseif letter == 'Y' then toAdd = stillOwed(parent, ticket) end
  return true, toAdd and (parent .. '/' .. toAdd) or ''
end

-- A run that has just been written as ended: it is kept for `ttl`, or until its parent has read it. Returns the ticket to add.
local function afterEnd(run, ttl)
  local isHeld, toAdd = tellParent(run)
  keepFor(run, isHeld and max(HELD, ttl) or ttl)
  announce(run, 'ended')
  return toAdd
end

-- A run that failed may have to be retried as a whole: it stays due until somebody has decided (R26, rerun.lua).
local function oweRetry(run)
  if not call('HGET', runKey(run), 'ra') then return end
  call('HSET', runKey(run), 'rd', 'due')
  call('HDEL', runKey(run), 'rj')
  call('ZADD', DUTIES, now, run)
end

-- The run whose change has been written has ended (see writeChange). Returns how; change.released is its parent's ticket.
local function endRun(change)
  local isRed = change.isRed
  call('ZREM', LIVE, change.run)
  if isRed then oweRetry(change.run) end
  change.released = afterEnd(change.run, isRed and KEPT_FAILED or KEPT)
  return isRed and 'failed' or 'succeeded'
end

-- A child that its parent has read, or won't any more: if it has ended, its usual retention begins.
local function letGo(child)
  local state = call('HGET', runKey(child), 's')
  if state and state ~= 'R' and state ~= 'N' then keepFor(child, state == 'S' and KEPT or KEPT_FAILED) end
end

-- Two lists of tickets to add, as one.
local function joinTickets(list, more)
  if list == '' or more == '' then return list .. more end
  return list .. ';' .. more
end

-- What a delivery owes that comes again: the tickets that its own wrote, and, when the run has ended, its parent's. `row`: its
-- row, or nil.
local function owedAgain(change, ticket, runState, row)
  local toAdd = owedBy(ticket, row and row.wrote or '', change.tickets)
  if runState == 'R' then return toAdd end
  local _, released = tellParent(change.run)
  return joinTickets(toAdd, released)
end
