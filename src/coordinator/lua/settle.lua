-- settle: records the ends of attempts of one delivery and resolves what depends on them (R4, R7, R8).
--
-- Arguments: run, ticket, lease, at, graph; then for each attempt: index, attempt, outcome, payload, detail, goOn, child
--   at, graph: of the run, as the claim that granted the attempts told: whoever holds an attempt knows them
--   outcome      payload                             detail
--   succeeded    the result, JSON                    dependants of the node (see resolve.lua)
--   failed       kind|JSON of error and decision     dependants of the node
--   retry        kind|JSON of error and decision     <delayMs>.<queue@priority or ''>: a place moves it to a new ticket
--   interrupted  kind|JSON of error and decision     ''     the attempt costs nothing, the node is ready again
--   skipped      skipped|JSON of the thrown Skip     dependants of the node
--   expanded     ''                                  dependants of the node: a map whose items are all made (expand.lua)
--   condition_false  ''                              dependants of the node; no attempt was made of the grant
--   parked       kind|JSON for the day it gives up; the key of a lock   <state letter>.<waitMs>.<waitedMs>.<limitMs>: what it
--     waits for (H, B, O or L, see node.lua), when to look again, and how long it has waited; for H only the limit counts, the
--     rest is known here. A lock whose turn has come meanwhile is not waited for (wake.lua)
--   awaiting     ''                                 ''     the node leaves its row until `child` has ended; if it has ended
--     since it was started (see await-child.lua), the attempt goes on at once
--   child: '', or the child run that it awaits; of an attempt that awaited one and ends, that child: it need not be kept any
--     longer for this node
--   goOn: <place>.<grain>.<slots>: nodes of that place that become ready may stay in this row, up to `grain` of them (R5,
--   R24); as many of the row's ready nodes as there are slots are granted at once; grain is also that of new tickets
-- Returns for each attempt, as if they had come one after the other,
--   {'settled', rowLeft, toAdd, runEnd, waitMs, lastLogLine, grants, values...}
--       rowLeft: empty | failed | more | delayed (in place: come again in waitMs); lastLogLine when failed
--       runEnd: succeeded | failed if this settle ended the run, else ''
--       grants, values: as `claim` gives them, for nodes that go on in this delivery; values only of nodes with several
--       upstreams: the one upstream of others is known to the worker. They are as all attempts of the move leave them
--   {'refused', reason}: no_run | behind (the run has not seen this attempt) | superseded | cancelled
--   {'error', message}: of one attempt; the others are settled
-- Announces: settled, or ended.
-- Idempotent: repeated by the holder of the attempt, it gives the stored answer again and changes nothing.
local function storedAnswer(change, runState, ticket, index, lease, rowText)
  local state, _, _, _, _, _, x = unpackNode(call('HGET', change.key, 'n' .. index))
  local row = rowText and readRow(rowText) or {lease = lease, tokens = ''}
  local settledByMe = row.lease == lease and (rowText or state == 'S' or state == 'T' or state == 'C' or wasSkipped(state))
  if not settledByMe then return {'refused', 'superseded'} end
  local toAdd = owedAgain(change, ticket, runState, rowText and row)
  local endedIt = (state == 'S' or state == 'F' or wasSkipped(state)) and x == call('HGET', change.key, 'e')
  local runEnd = endedIt and (runState == 'S' and 'succeeded' or (runState == 'F' and 'failed' or '')) or ''
  -- What it granted to go on is not told again: the worker claims once more and finds it under the same lease.
  if row.tokens == '~' .. index then
    return {'settled', 'delayed', toAdd, '', max(0, int(x) + change.at - now), '', ''}
  end
  return {'settled', rowLeft(row.tokens), toAdd, runEnd, 0, firstFailure(change.run, row.tokens), ''}
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
  local made = 'c' .. attempt.index
  change.set[made] = '=' .. match(fieldOf(change, made) or '0', '%d+')
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
  if letter == 'L' then
    change.set['lk' .. attempt.index] = attempt.payload
    if fieldOf(change, 'lt' .. attempt.index) == attempt.number then
      change.spent[#change.spent + 1] = 'lt' .. attempt.index
      wait = 0
    end
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

-- No row holds the node until the child's end writes a ticket for it (lib/run-end.lua): both are single scripts, so the end
-- comes before and is seen here, or after and finds the node waiting.
function OUTCOMES.awaiting(change, attempt)
  local state = call('HGET', runKey(attempt.child), 's')
  local hasEnded = state and state ~= 'R'
  setNode(change, attempt.index, packNode(hasEnded and 'Y' or 'C', attempt.number, hasEnded and attempt.ticket or '',
    attempt.retries, attempt.crashes, attempt.start, ''))
  return hasEnded and ('+' .. attempt.index) or nil
end

-- Whether an attempt's end leaves a line in the log: not a result, nor a grant that was given back.
local function isLogged(attempt)
  if attempt.outcome == 'parked' then return sub(attempt.token, 1, 1) == '!' end
  local hasNone = attempt.outcome == 'succeeded' or attempt.outcome == 'expanded' or attempt.outcome == 'condition_false'
    or attempt.outcome == 'awaiting'
  return not hasNone
end

-- Writes the results, and the lines of the attempts that have none. Results first: writing them twice changes nothing.
local function record(change, ended)
  local results = {}
  for i = 1, #ended do
    local attempt = ended[i]
    if attempt.outcome == 'succeeded' then
      results[#results + 1] = attempt.index
      results[#results + 1] = attempt.payload
    end
  end
  writeFields(outKey(change.run), results)
  for i = 1, #ended do
    local attempt = ended[i]
    if isLogged(attempt) then
      local kind, details = match(attempt.payload, '^([^|]*)|(.*)$')
      appendLog(change.run, attempt.index, concat({attempt.number, kind, attempt.start, change.elapsed, details}, '|'))
    end
  end
end

-- Takes the nodes that became ready and may stay in the row out of change.ready. Returns them, and those of them whose
-- values the worker may not have.
local function keepAtHome(change, place, grain)
  local home, unknown, leaving = {}, {}, {}
  for _, entry in ipairs(change.ready) do
    local index = entry[1]
    if entry[2] == 0 and entry[3] == place and #home < grain then
      home[#home + 1] = index
      if entry[4] ~= '1' then unknown[#unknown + 1] = index end
    else leaving[#leaving + 1] = entry end
  end
  change.ready = leaving
  return home, unknown
end

-- Keeps ready nodes in the row or gives them tickets, and grants what the row holds to free slots. `others`: the row's
-- tokens besides theirs. Returns the row's tokens, the grants, and the kept nodes whose values the worker may lack.
local function dispatch(change, attempt, others)
  local place, grain, slots = match(attempt.goOn, '^(%-?%d+)%.(%d+)%.(%d+)$')
  grain = grain + 0
  local home, unknown = keepAtHome(change, attempt.row.place == '' and not change.paused and place, grain)
  giveTickets(change, attempt.ticket, grain)
  change.ready = {}
  mayGrant(change, slots + 0)
  local kept = grantFresh(change, attempt.ticket, home)
  local waiting = grantReady(change, attempt.ticket, others)
  return kept .. (kept ~= '' and waiting ~= '' and ',' or '') .. waiting, concat(change.grants, ','), unknown
end

-- Decides what the end of one attempt changes; row.tokens becomes what the row holds then. Returns its answer, but for
-- what only the last one of a delivery can bring about.
local function settleAttempt(change, attempt)
  local row = attempt.row
  local token, waitMs = OUTCOMES[attempt.outcome](change, attempt, attempt.detail)
  local tokens, grants = replaceToken(row.tokens, attempt.index, token), ''
  attempt.token, attempt.waits = token, waitMs and tokens == token
  if #change.ready > 0 or find(tokens, '+', 1, true) then
    tokens, grants, attempt.unknown = dispatch(change, attempt, tokens)
  end
  row.tokens = tokens
  local toAdd = concat(change.toAdd, ';')
  change.toAdd = {}
  return {'settled', 'more', toAdd, '', waitMs or 0, '', grants}
end

-- What keeps an attempt from being settled now: a refusal, or what was stored when it was settled. Nil if nothing does.
local function answerBefore(change, attempt, granted, runState, lease, rowText)
  if not attempt.state then return {'refused', 'behind'} end
  local number = attempt.number + 0
  granted = int(granted)
  local gaveBack = isParked(attempt.state) and granted == number - 1
  if granted < number and not gaveBack then return {'refused', 'behind'} end
  if granted > number then return {'refused', 'superseded'} end
  if attempt.state ~= 'R' then return storedAnswer(change, runState, attempt.ticket, attempt.index, lease, rowText) end
  if runState == 'C' then return {'refused', 'cancelled'} end
  -- An attempt that waited for a child run may go on in another ticket, while this one still holds other nodes.
  local isHeld = attempt.row and attempt.row.lease == lease and attempt.holder == attempt.ticket
  if not isHeld then return {'refused', 'superseded'} end
end

-- The children that these attempts have read, and that need not be kept for them any longer once that is written.
local function readChildren(change, ended)
  local children = {}
  for i = 1, #ended do
    local attempt = ended[i]
    if attempt.child ~= '' and attempt.outcome ~= 'awaiting' then
      change.spent[#change.spent + 1] = 'a' .. attempt.index
      children[#children + 1] = attempt.child
    end
  end
  return children
end

local ATTEMPT = 7 -- arguments of an attempt

local function readAttempt(arguments, i, packed, ticket, row)
  local index, number, outcome, payload, detail, goOn, child = unpack(arguments, i, i + ATTEMPT - 1)
  local state, granted, holder, retries, crashes, start, x = unpackNode(packed or '')
  local attempt = {index = index, number = number, outcome = outcome, payload = payload, detail = detail, goOn = goOn,
    child = child, ticket = ticket, holder = holder, row = row, state = state, retries = retries, crashes = crashes,
    start = start, x = x}
  return attempt, granted
end

-- Settles the attempts that `arguments` names in one go: the run is read once, and written once after all is decided.
-- Returns their answers; one answer alone, if one of them is not to be settled now: then nothing is written.
local function settleTogether(run, ticket, lease, at, graph, arguments, first, last)
  local fields, ended, answers = {'s', 'k', 'pz', 't' .. ticket}, {}, {}
  for i = first, last, ATTEMPT do fields[#fields + 1] = 'n' .. arguments[i] end
  local stored = call('HMGET', runKey(run), unpack(fields))
  local runState, counters, paused, rowText = unpack(stored, 1, 4)
  if not runState then return {{'refused', 'no_run'}} end
  local change, row = newChange(run, at, graph, counters, paused), rowText and readClaimedRow(rowText)
  for i = first, last, ATTEMPT do
    local attempt, granted = readAttempt(arguments, i, stored[5 + #ended], ticket, row)
    ended[#ended + 1] = attempt
    local answer = answerBefore(change, attempt, granted, runState, lease, rowText)
    if answer then return {answer} end
  end

  for i = 1, #ended do answers[i] = settleAttempt(change, ended[i]) end
  -- The others were still running when an attempt before the last was settled: only the last can leave nothing to do.
  local answer = answers[#answers]
  answer[2] = ended[#ended].waits and 'delayed' or rowLeft(row.tokens)
  record(change, ended)
  putClaimedRow(change, ticket, answer[2], row)
  local children = readChildren(change, ended)
  writeChange(change)
  for i = 1, #children do letGo(children[i]) end
  letGoUnread(change)
  if change.left == 0 then
    answer[4] = endRun(change)
    answer[3] = joinTickets(answer[3], change.released)
  else announce(run, 'settled') end
  if answer[2] == 'failed' then answer[6] = firstFailure(run, row.tokens) end
  for i = 1, #ended do
    local unknown = ended[i].unknown
    if unknown and #unknown > 0 then append(answers[i], valuesFor(run, graph, unknown)) end
  end
  return answers
end

-- Several attempts are settled together or, if one of them can't be, one by one: what raises an error, or is refused,
-- has written nothing by then, and touches no other.
local function settle(run, ticket, lease, at, graph, ...)
  local arguments = {...}
  if #arguments == ATTEMPT then return settleTogether(run, ticket, lease, at, graph, arguments, 1, ATTEMPT) end
  local ok, answers = pcall(settleTogether, run, ticket, lease, at, graph, arguments, 1, #arguments)
  if ok and #answers * ATTEMPT == #arguments then return answers end
  answers = {}
  for i = 1, #arguments, ATTEMPT do
    local made, one = pcall(settleTogether, run, ticket, lease, at, graph, arguments, i, i + ATTEMPT - 1)
    answers[#answers + 1] = made and one[1] or errorAnswer(one)
  end
  return answers
end
