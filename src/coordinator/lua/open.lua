-- open: creates a run from its flow job and claims its first root, iff the run is unknown and nobody has tried the job
-- before (R17); else claims ticket 0.
--
-- Arguments: run, lease, token, job, started, seen, slots, isolated as in `claim`; then
--   fresh ('1': the job has no failed attempt behind it), graph (hash), nodeCount, roots (<index>.<home>.<delayMs>.<place>,
--   ...; home 1: it may run in this very delivery), grain (nodes of one ticket), input (JSON, parsed by the flow's schema),
--   options (JSON or ''), flow (name), place (queue@priority of the flow job, or '' for the default), foreign (queue|id of
--   the flow job if that id is not the run's, else ''), limits (maxCrashes by enqueue-time policies: <index>.<limit>,...),
--   retried ('1': a failed end asks for a retry of the run)
-- Returns what `claim` returns, or
--   {'refused', 'no_graph'}     the graph is not stored: store it and open again
--   {'refused', 'run_expired'}  the run is unknown, but its job ran before: its state is gone
-- A run that was refused before (see refuse.lua) opens when its job was retried by hand.
-- Idempotent: as `claim` once the run exists.
local function open(run, lease, token, job, started, seen, slots, isolated, fresh, graph, nodeCount, roots, grain,
    input, options, flow, place, foreign, limits, retried)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local delivery = newDelivery(run, '0', lease, seen, slots, isolated)
  local stored, rowText = readRun(run, '0')
  local state = stored.state
  if state and state ~= 'X' then return claimTicket(delivery, stored, rowText) end
  -- A child that a node waits for can't have expired: the mark in its hash was there before its job (see await-child.lua).
  local hasExpired = not state and fresh ~= '1' and call('HEXISTS', runKey(run), 'wt') == 0
  if hasExpired then return {'refused', 'run_expired'} end
  if not keepGraph(graph) then return {'refused', 'no_graph'} end

  local change = newChange(run, now, graph, nodeCount .. '.0.0.0')
  local key, facts = change.key, {'s', 'R', 'g', graph, 'at', format('%d', now), 'i', input, 'q', flow}
  for name, value in pairs({o = options, p = place, j = foreign, ra = retried}) do
    if value ~= '' then facts[#facts + 1] = name; facts[#facts + 1] = value end
  end
  for index, limit in gmatch(limits, '(%d+)%.(%d+)') do facts[#facts + 1] = 'm' .. index; facts[#facts + 1] = limit end
  if state then call('HDEL', key, 'x', 'e') end
  call('PERSIST', key)
  change.fields = facts
  return beginRun(change, delivery, roots, grain, {options = options, place = place, input = input})
end
