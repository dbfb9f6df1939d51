-- claim: grants attempts of the nodes that a ticket's row holds to one delivery of its job (R3, R6, R11).
--
-- Arguments: run, ticket, lease (unique per delivery), token (BullMQ's, for the lock), lock (key of the job's lock),
--   seen (<stalled count>.<attemptsMade>), slots (handlers that this delivery may start), isolated ('1': it may run a node
--   that was lost twice), maxCrashes (default),
--   retention (<ms after success>.<ms after failure>)
-- Returns one of
--   {'granted', grants, earlyMs, toAdd, rowLeft, graph, options, input, values, at, place}
--       grants: <index>.<attempt>.<retries>.<crashes>.<fencing token>.<start> joined by `,`; empty when nothing can run now
--       earlyMs: how long until the first retry in the row is due, 0 if none is waited for; without grants, and with more
--       left, the row's nodes need isolation
--       values: for the nodes that the granted ones need: index, state letter, payload, ... (payload: result JSON of S,
--       last log line of F and of the cause of U; nil beyond 64 KB: read it apart)
--       place: queue@priority of the run's flow job, '' for the default
--       at: when the run was opened, epoch ms; start is relative to it
--   {'nothing', toAdd}               the ticket has no row any more: its job may end
--   {'ended', toAdd, lastLogLine}    the row holds only finally failed nodes: the job fails again, nothing executes
--   {'refused', reason}              lease | no_run | run_refused | cancelled | descendant_started
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

-- Claims the delivery's ticket of a run whose fields have been read, in this order:
local CLAIM_FIELDS = {'s', 'g', 'c', 'l', 'f', 'at', 'z', 'o', 'p', 'pz'}

local function claimTicket(delivery, fields, rowText)
  local run, ticket = delivery.run, delivery.ticket
  local live = {state = fields[1], graph = fields[2], tickets = fields[3], left = fields[4], failed = fields[5],
    at = fields[6], fence = fields[7], options = fields[8], place = fields[9], paused = fields[10]}
  if not live.state then return {'refused', 'no_run'} end
  if live.state == 'X' then return {'refused', 'run_refused'} end
  local change = newChange(run, live)
  if live.state == 'C' and not rowText then return {'refused', 'cancelled'} end
  if not rowText then return {'nothing', owedBy(change.key, change.tickets, ticket, change.at)} end
  local row = readRow(rowText)
  local isCancelled = live.state == 'C'
  if isCancelled and row.state ~= 'e' then return {'refused', 'cancelled'} end
  if row.state == 'e' then
    if isCancelled or isRedelivery(row, delivery.seen, delivery.lease) then
      call('HSET', change.key, 't' .. ticket, packRow('e', delivery.seen, delivery.lease, row.by, '', row.place, row.tokens))
      return {'ended', owedBy(change.key, change.tickets, ticket, change.at), firstFailure(run, row.tokens)}
    end
    local refusal = retryRow(change, ticket, live, row)
    if refusal then return {'refused', refusal} end
  end
  return grantRow(change, delivery, live, row, row.state ~= 'o')
end

local function readRun(run, ticket)
  local fields = call('HMGET', runKey(run), 't' .. ticket, unpack(CLAIM_FIELDS))
  return {unpack(fields, 2, #CLAIM_FIELDS + 1)}, fields[1]
end

local function newDelivery(run, ticket, lease, seen, slots, isolated, maxCrashes, retention)
  return {run = run, ticket = ticket, lease = lease, seen = seen, slots = tonumber(slots), isolated = isolated == '1',
    maxCrashes = maxCrashes, retention = retention}
end

local function claim(run, ticket, lease, token, lock, seen, slots, isolated, maxCrashes, retention)
  if call('GET', lock) ~= token then return {'refused', 'lease'} end
  local fields, row = readRun(run, ticket)
  return claimTicket(newDelivery(run, ticket, lease, seen, slots, isolated, maxCrashes, retention), fields, row)
end
