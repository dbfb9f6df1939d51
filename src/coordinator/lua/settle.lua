-- settle: records the end of an attempt and resolves what depends on it (R4, R7, R8).
--
-- Arguments: run, ticket, index, attempt, lease, at, graph, outcome, payload, detail, goOn
--   at, graph: of the run, as the claim that granted the attempt told: whoever holds the attempt knows them
--   outcome      payload                             detail
--   succeeded    the result, JSON                    dependants of the node (see resolve.lua)
--   failed       kind|JSON of error and decision     dependants of the node
--   retry        kind|JSON of error and decision     <delayMs>.<queue@priority or ''>: a place moves it to a new ticket
--   interrupted  kind|JSON of error and decision     ''     the attempt costs nothing, the node is ready again
--   skipped      skipped|JSON of the thrown Skip     dependants of the node
--   expanded     ''                                  dependants of the node: a map whose items are all made (expand.lua)
--   condition_false  ''                              dependants of the node; no attempt was made of the grant
--   parked       kind|JSON for the day it gives up   <state letter>.<waitMs>.<waitedMs>.<limitMs>: what it waits for (H, B or
--     O, see node.lua), when to look again, and how long it has waited; for H only the limit counts, the rest is known here
--   goOn: <place>.<grain>.<slots>: nodes of that place that become ready may stay in this row, up to `grain` of them (R5,
--   R24); as many of the row's ready nodes as there are slots are granted at once; grain is also that of new tickets
-- Returns
--   {'settled', rowLeft, toAdd, runEnd, waitMs, lastLogLine, grants, values}
--       rowLeft: empty | failed | more | delayed (in place: come again in waitMs); lastLogLine when failed
--       runEnd: succeeded | failed if this settle ended the run, else ''
--       grants, values: as `claim` gives them, for nodes that go on in this delivery; values only of nodes with several
--       upstreams: the one upstream of others is known to the worker
--   {'refused', reason}: no_run | behind (the run has not seen this attempt) | superseded | cancelled
-- Announces: settled, or ended.
-- Idempotent: repeated by the holder of the attempt, it gives the stored answer again and changes nothing.
local function storedAnswer(change, runState, ticket, index, lease, rowText)
  local state, _, _, _, _, _, x = unpackNode(call('HGET', change.key, 'n' .. index))
  local row = rowText and readRow(rowText) or {lease = lease, tokens = ''}
  local settledByMe = row.lease == lease and (rowText or state == 'S' or state == 'T' or wasSkipped(state))
  if not settledByMe then return {'refused', 'superseded'} end
  local toAdd = owedBy(change.key, change.tickets, ticket, change.at)
  local endedIt = (state == 'S' or state == 'F' or wasSkipped(state)) and x == call('HGET', change.key, 'e')
  local runEnd = endedIt and (runState == 'S' and 'succeeded' or (runState == 'F' and 'failed' or '')) or ''
  -- What it granted to go on is not told again: the worker claims once more and finds it under the same lease.
  if row.tokens == '~' .. index then
    return {'settled', 'delayed', toAdd, '', max(0, int(x) + change.at - now), '', '', {}}
  end
  return {'settled', rowLeft(row.tokens), toAdd, runEnd, 0, firstFailure(change.run, row.tokens), '', {}}
end

-- How long a node waits on for a worker that knows its task: 1 s doubling to 30 s; nil when its limit has passed.
local function handlerWait(waited, limitMs)
  if waited >= limitMs then return nil end
  return min(max(waited, 1000), 30000, limitMs - waited)
end

-- One function per outcome: (change, attempt, detail) -> the token that replaces the node in its row (nil: none), and
-- the ms that the job waits for it. `attempt` is what unpackNode read, with index, ticket and row.
local OUTCOMES = {}

function OUTCOMES.succeeded(change, attempt, detail)
  setNode(change, attempt.index, packNode('S', attempt.number, '', attempt.retries, attempt.crashes, attempt.start, change.elapsed))
  change.left = change.left - 1
  resolve(change, 'S', detail, attempt.index)
end

-- A map has made all of its items.
function OUTCOMES.expanded(change, attempt, detail)
  local made = call('HGET', change.key, 'c' .. attempt.index) or '0'
  call('HSET', change.key, 'c' .. attempt.index, '=' .. made)
  OUTCOMES.succeeded(change, attempt, detail)
end

function OUTCOMES.failed(change, attempt, detail)
  failNode(change, attempt.index, packNode('F', attempt.number, attempt.ticket, attempt.retries, attempt.crashes,
    attempt.start, change.elapsed), detail)
  return '!' .. attempt.index
end

function OUTCOMES.interrupted(change, attempt)
  setNode(change, attempt.index, packNode('Y', attempt.number, attempt.ticket, attempt.retries, attempt.crashes, '', ''))
  return '+' .. attempt.index
end

function OUTCOMES.retry(change, attempt, detail)
  local delay, place = match(detail, '^(%d+)%.(.*)$')
  local delayMs, ticket = tonumber(delay), attempt.ticket
  local inPlace = attempt.row.tokens == attempt.index and place == '' -- (R7)
  if not inPlace then ticket = giveTicket(change, attempt.ticket, {attempt.index}, '~', delayMs, place) end
  setNode(change, attempt.index, packNode('T', attempt.number, ticket, int(attempt.retries) + 1, attempt.crashes,
    attempt.start, nowCeil - change.at + delayMs))
  if inPlace then return '~' .. attempt.index, delayMs end
end

-- The grant is given back, no attempt was made; or, after `limitMs` without a handler, the node fails.
function OUTCOMES.parked(change, attempt, detail)
  local letter, waitMs, waitedMs, limitMs = match(detail, '^(%a)%.(%d+)%.(%d+)%.(%d+)$')
  local ended, wait = int(change.elapsed), tonumber(waitMs)
  local since = ended - tonumber(waitedMs)
  if letter == 'H' then
    since = int(match(attempt.x, '/(%-?%d+)$') or ended)
    wait = handlerWait(ended - since, tonumber(limitMs))
  end
  if not wait then
    return OUTCOMES.failed(change, attempt, graphField(change, 'd', attempt.index) or '')
  end
  setNode(change, attempt.index, packNode(letter, int(attempt.number) - 1, attempt.ticket, attempt.retries, attempt.crashes,
    since, ended + wait))
  return '~' .. attempt.index, wait
end

local function skip(change, attempt, letter, start, dependants)
  setNode(change, attempt.index, packNode(letter, attempt.number, '', attempt.retries, attempt.crashes, start, change.elapsed))
  change.left = change.left - 1
  resolve(change, letter, dependants, attempt.index)
end

function OUTCOMES.skipped(change, attempt, detail) skip(change, attempt, 'X', attempt.start, detail) end

function OUTCOMES.condition_false(change, attempt, detail) skip(change, attempt, 'I', '', detail) end

-- The result, or the line of the ended attempt; nothing for a grant that was given back.
local function record(change, attempt, outcome, payload, token)
  if outcome == 'succeeded' then call('HSET', outKey(change.run), attempt.index, payload)
  elseif outcome == 'condition_false' or outcome == 'expanded' then return
  elseif outcome ~= 'parked' or sub(token, 1, 1) == '!' then
    local kind, details = match(payload, '^([^|]*)|(.*)$')
    appendLog(change.run, attempt.index, concat({attempt.number, kind, attempt.start, change.elapsed, details}, '|'))
  end
end

local NONE = {}

-- Takes the nodes that became ready and may stay in the row out of change.ready. Returns their tokens, as a set which of
-- them nothing is stored of, and as a list those whose values the worker may not have.
local function keepAtHome(change, place, grain)
  if #change.ready == 0 then return '', NONE, NONE end
  local tokens, fresh, unknown, leaving = {}, {}, {}, {}
  for _, entry in ipairs(change.ready) do
    local index = entry[1]
    if entry[2] == 0 and entry[3] == place and #tokens < grain then
      tokens[#tokens + 1] = '+' .. index
      fresh[index] = true
      if entry[4] ~= '1' then unknown[#unknown + 1] = index end
    else leaving[#leaving + 1] = entry end
  end
  change.ready = leaving
  return concat(tokens, ','), fresh, unknown
end

local function settle(run, ticket, index, number, lease, at, graph, outcome, payload, detail, goOn)
  local runState, packed, rowText, counters, paused =
    unpack(call('HMGET', runKey(run), 's', 'n' .. index, 't' .. ticket, 'k', 'pz'))
  if not runState then return {'refused', 'no_run'} end
  if not packed then return {'refused', 'behind'} end
  local change = newChange(run, at, graph, counters, paused)
  local state, granted, _, retries, crashes, start, x = unpackNode(packed)
  local gaveBack = isParked(state) and int(granted) == tonumber(number) - 1
  if gaveBack then return storedAnswer(change, runState, ticket, index, lease, rowText) end
  if int(granted) < tonumber(number) then return {'refused', 'behind'} end
  if granted ~= number then return {'refused', 'superseded'} end
  if state ~= 'R' then return storedAnswer(change, runState, ticket, index, lease, rowText) end
  if runState == 'C' then return {'refused', 'cancelled'} end
  local row = rowText and readRow(rowText)
  if not row or row.lease ~= lease then return {'refused', 'superseded'} end

  local attempt = {index = index, number = number, ticket = ticket, retries = retries, crashes = crashes, start = start,
    row = row, x = x}
  local token, waitMs = OUTCOMES[outcome](change, attempt, detail)
  local place, grain, slots = match(goOn, '^(%-?%d+)%.(%d+)%.(%d+)$')
  grain = tonumber(grain)
  local home, fresh, unknown = keepAtHome(change, row.place == '' and not paused and place, grain)
  local others = replaceToken(row.tokens, index, token)
  giveTickets(change, ticket, grain)
  mayGrant(change, tonumber(slots))
  local tokens = grantReady(change, ticket, home .. (home ~= '' and others ~= '' and ',' or '') .. others, fresh)
  local left = waitMs and tokens == token and 'delayed' or rowLeft(tokens)
  putRow(change, ticket, left, row.seen, lease, row, tokens)
  record(change, attempt, outcome, payload, token)
  writeChange(change)
  local runEnd = ''
  if change.left == 0 then runEnd = endRun(change)
  else announce(run, 'settled') end
  local values = #unknown > 0 and valuesFor(run, graph, unknown) or {}
  return {'settled', left, concat(change.toAdd, ';'), runEnd, waitMs or 0, left == 'failed' and firstFailure(run, tokens) or '',
    concat(change.grants, ','), values}
end
