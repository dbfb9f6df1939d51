-- claim: grants attempts of the nodes that a ticket's row holds to one delivery of its job (R3, R6, R11).
--
-- Arguments: run, ticket, lease (unique per delivery), token, job, started (see lease.lua),
--   seen (<stalled count>.<attemptsMade>), slots (handlers that this delivery may start), isolated ('1': it may run a node
--   that was lost twice)
-- Returns one of
--   {'granted', grants, earlyMs, toAdd, rowLeft, graph, options, input, at, place, values...}
--       grants: <index>.<attempt>.<retries>.<crashes>.<fencing token>.<start> joined by `,`; empty when nothing can run now
--       earlyMs: how long until the first retry in the row is due, 0 if none is waited for; without grants, and with more
--       left, the row's nodes need isolation
--       values: for the nodes that the granted ones need: index, state letter, payload, ... (payload: result JSON of S,
--       last log line of F and of the cause of U; nil beyond 64 KB: read it apart)
--       place: queue@priority of the run's flow job, '' for the default
--       at: when the run was opened, epoch ms; start is relative to it
--   {'nothing', toAdd}               the ticket has no row any more: its job may end
--   {'ended', toAdd, lastLogLine, runEnd, graph}   the row holds only finally failed nodes: the job fails again, nothing
--       executes; runEnd: succeeded | failed if this claim ended the run, because its last node has crashed too often
--   {'refused', reason}              lease | no_run | run_refused | creating (a rerun: open it, rerun.lua) | cancelled |
--                                    descendant_started | has_rerun
-- Announces: started.
-- Idempotent: under the same lease it answers with the same grants again. A running node under an older lease is
--   closed as a crash, charged, and granted anew or failed with crash_loop.
-- Does an ended row come again by itself, or did a person retry it? (R11) A failure raises attemptsMade, so a job that
-- was retried by hand shows another count than its row; one that was lost or handed back shows the same.
local function isRedelivery(row, seen, lease)
  local stalled, made = match(seen, '^(%d+)%.(%d+)$')
  local stalledBefore, madeBefore = match(row.seen, '^(%d+)%.(%d+)$')
  return row.lease == lease or (int(stalled) >= int(stalledBefore) and made == madeBefore)
end

-- The run's fields that a claim needs, and the row of a ticket; false where absent.
local function readRun(run, ticket)
  local row, state, graph, counters, at, options, place, paused =
    unpack(call('HMGET', runKey(run), 't' .. ticket, 's', 'g', 'k', 'at', 'o', 'p', 'pz'))
  return {state = state, graph = graph, counters = counters, at = at, options = options, place = place, paused = paused}, row
end

local function changeOf(run, stored)
  return newChange(run, stored.at, stored.graph, stored.counters, stored.paused)
end

-- Claims the delivery's ticket of a run as it was read.
local function claimTicket(delivery, stored, rowText)
  local run, ticket = delivery.run, delivery.ticket
  if not stored.state then return {'refused', 'no_run'} end
  if stored.state == 'X' then return {'refused', 'run_refused'} end
  if stored.state == 'N' then return {'refused', 'creating'} end
  local isCancelled = stored.state == 'C'
  local row = rowText and readRow(rowText)
  if isCancelled and not (row and row.state == 'e') then return {'refused', 'cancelled'} end
  local change = changeOf(run, stored)
  if not row then return {'nothing', owedAgain(change, ticket, stored.state)} end
  if row.state == 'e' then
    if isCancelled or isRedelivery(row, delivery.seen, delivery.lease) then
      call('HSET', change.key, 't' .. ticket, packRow('e', delivery.seen, delivery.lease, row.by, row.wrote, row.place,
        row.tokens))
      return {'ended', owedAgain(change, ticket, stored.state, row), firstFailure(run, row.tokens), '', stored.graph}
    end
    local refusal = retryRow(change, ticket, stored.state, row)
    if refusal then return {'refused', refusal} end
  end
  return grantRow(change, delivery, stored, row, row.state ~= 'o')
end

local function newDelivery(run, ticket, lease, seen, slots, isolated)
  return {run = run, ticket = ticket, lease = lease, seen = seen, slots = tonumber(slots), isolated = isolated == '1'}
end

local function claim(run, ticket, lease, token, job, started, seen, slots, isolated)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local stored, row = readRun(run, ticket)
  return claimTicket(newDelivery(run, ticket, lease, seen, slots, isolated), stored, row)
end
