-- Reruns (R21): a run is made that repeats another one, what it reuses is copied in chunks, then it is opened.
-- Nothing can be lost between: the rerun stands in LIVE from its making, so the reconciler finds it if its job was never
-- added; its job is delivered until it is opened or refused; and a delivery that comes after a lost one copies anew.

-- Has this run a rerun, or a rerun of one, that is still to end?
local function liveRerun(run)
  for n = 1, int(call('HGET', runKey(run), 'rr')) do
    local rerun = run .. '~' .. n
    local state, duty = unpack(call('HMGET', runKey(rerun), 's', 'rd'))
    if state == 'N' or state == 'R' or duty == 'due' then return rerun end
    local below = liveRerun(rerun)
    if below then return below end
  end
  return nil
end

local function decideDuty(run, decided, decision)
  call('HSET', runKey(run), 'rd', decided, 'rj', decision)
  call('ZREM', DUTIES, run)
  announce(run, 'ended')
end

-- createRerun: makes the next rerun of an ended run. One script, so that two callers can't make the same one, nor an
-- automatic retry twice.
--
-- Arguments: run, by (`hand`, or `retry`: automatic, iff one is due), options (of the rerun, JSON), delayMs, decision (JSON, for
--   `retry`)
-- Returns {'ok', rerun id, place of the flow job or '', flow}: the caller adds its job;
--   {'refused', reason, run id}: no_run | changed (no retry is due) | live | refused (no node ever ran) | retry_due |
--     has_live_rerun (the run id) | no_graph
-- Announces: ended, of the run that is retried: what becomes of it is known.
local function createRerun(run, by, options, delayMs, decision)
  local key = runKey(run)
  local state, graph, flow, input, place, duty, made = unpack(call('HMGET', key, 's', 'g', 'q', 'i', 'p', 'rd', 'rr'))
  if by == 'retry' and duty ~= 'due' then
    call('ZREM', DUTIES, run)
    return {'refused', 'changed'}
  end
  if not state then return {'refused', 'no_run'} end
  if state == 'R' or state == 'N' then return {'refused', 'live'} end
  if not graph then return {'refused', 'refused'} end
  if by == 'hand' and duty == 'due' then return {'refused', 'retry_due'} end
  local live = liveRerun(run)
  if live then return {'refused', 'has_live_rerun', live} end
  if not keepGraph(graph) then return {'refused', 'no_graph'} end
  local number = int(made) + 1
  local rerun = run .. '~' .. number
  local facts = {'s', 'N', 'rp', run, 'g', graph, 'q', flow, 'i', input, 'o', options, 'at', format('%d', now),
    'du', format('%d', nowCeil + delayMs)}
  if place then facts[#facts + 1] = 'p'; facts[#facts + 1] = place end
  writeFields(runKey(rerun), facts)
  call('ZADD', LIVE, now, rerun)
  call('HSET', key, 'rr', number)
  -- What it reuses is kept until it has been copied.
  local kept = delayMs + KEPT_FAILED
  if call('PTTL', key) < kept then keepFor(run, format('%d', kept)) end
  if by == 'retry' then decideDuty(run, rerun, decision) end
  return {'ok', rerun, place or '', flow}
end

-- declineRetry: a failed run will not be retried.
--
-- Arguments: run, decision (JSON; '': only forget a run whose retry is not due, such as one that is gone)
-- Returns {'ok'}, or {'refused', 'changed'} if it was not due, {'refused', 'due'}. Announces: ended.
local function declineRetry(run, decision)
  if call('HGET', runKey(run), 'rd') ~= 'due' then
    call('ZREM', DUTIES, run)
    return {'refused', 'changed'}
  end
  if decision == '' then return {'refused', 'due'} end
  decideDuty(run, '-', decision)
  return {'ok'}
end

-- How a node that a rerun reuses stands in it: it has ended, and no attempt of it was made there.
local function reusedNode(state, x)
  return packNode(state, state == 'I' and 1 or 0, '', 0, 0, '', (state == 'U' or state == 'u') and x or 0)
end

-- copyReused: copies nodes, their results and their failures from the run that a rerun repeats, and writes how many final
-- upstreams other nodes have.
--
-- Arguments: run, token, job, started (see lease.lua), indices (`7`, or `7r` for one whose result has to exist, ...), counts
--   (<index>=<packed counts, see resolve.lua>,...)
-- Returns {'ok'}, or {'refused', reason}: lease | changed (not creating any more) | expired (a node or a result is gone)
-- Idempotent: the run that is repeated doesn't change, since one with a rerun can't be retried.
local function copyReused(run, token, job, started, indices, counts)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local key = runKey(run)
  local state, from = unpack(call('HMGET', key, 's', 'rp'))
  if state ~= 'N' then return {'refused', 'changed'} end
  local fields, results, logs = {}, {}, {}
  for index, mark in gmatch(indices, '(%d+)(r?)') do
    local letter, _, _, _, _, _, x = unpackNode(call('HGET', runKey(from), 'n' .. index) or '')
    if not letter then return {'refused', 'expired'} end
    fields[#fields + 1] = 'n' .. index
    fields[#fields + 1] = reusedNode(letter, x)
    if mark == 'r' then
      local result = call('HGET', outKey(from), index)
      if not result then return {'refused', 'expired'} end
      results[#results + 1] = index
      results[#results + 1] = result
    elseif letter == 'f' then
      local kind, details = match(lastLine(call('HGET', logKey(from), index)), '^[^|]*|([^|]*)|[^|]*|[^|]*|(.*)$')
      if not kind then return {'refused', 'expired'} end
      logs[#logs + 1] = index
      logs[#logs + 1] = '0|' .. kind .. '|0|0|' .. details
    end
  end
  for index, count in gmatch(counts, '(%d+)=(%d+)') do
    fields[#fields + 1] = 'w' .. index
    fields[#fields + 1] = count
  end
  writeFields(outKey(run), results)
  writeFields(logKey(run), logs)
  writeFields(key, fields)
  return {'ok'}
end

local FENCES = 4294967296 -- of one run: each rerun of a lineage grants with tokens above those of all that were opened before

local function firstFence(run, from, root)
  local before = floor(int(match(call('HGET', runKey(from), 'k') or '', '(%d+)$')) / FENCES)
  local opened = call('EXISTS', runKey(root)) == 1 and call('HINCRBY', runKey(root), 'fg', 1) or 0
  local _, generation = gsub(run, '~', '')
  return format('%d', max(opened, before + 1, generation) * FENCES)
end

-- openRerun: opens a rerun whose reused nodes have been copied, and claims the first of its nodes.
--
-- Arguments: run, lease, token, job, started, seen, slots, isolated as in `claim`; then graph (hash), left (nodes that it does
--   not reuse), starts (of those, the ones that wait for nothing but reused nodes, as the roots of `open`), grain, options
--   (JSON), root (run id), limits, retried as in `open`
-- Returns what `claim` returns, or {'refused', 'no_graph'}: the graph is gone.
-- Idempotent: as `claim` once the rerun is opened.
local function openRerun(run, lease, token, job, started, seen, slots, isolated, graph, left, starts, grain, options, root,
    limits, retried)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local delivery = newDelivery(run, '0', lease, seen, slots, isolated)
  local stored, rowText = readRun(run, '0')
  if stored.state ~= 'N' then return claimTicket(delivery, stored, rowText) end
  if not keepGraph(graph) then return {'refused', 'no_graph'} end
  local from = call('HGET', runKey(run), 'rp')
  local change = newChange(run, now, graph, left .. '.0.0.' .. firstFence(run, from, root))
  change.fields = {'s', 'R', 'at', format('%d', now), 'o', options}
  if retried ~= '' then change.fields[7] = 'ra'; change.fields[8] = retried end
  for index, limit in gmatch(limits, '(%d+)%.(%d+)') do
    change.fields[#change.fields + 1] = 'm' .. index
    change.fields[#change.fields + 1] = limit
  end
  return beginRun(change, delivery, starts, grain, {options = options, place = stored.place})
end

-- refuseRerun: ends a rerun before anything ran, because what it would reuse is gone. If it is the automatic retry of a run,
-- that run isn't retried any more.
--
-- Arguments: run, token, job, started (see lease.lua), reason (JSON {reason, error}), decision (JSON, for the run that it repeats)
-- Returns {'ok'}, or {'refused', 'lease' | 'run_exists'}. Announces: ended, of both. A second call finds it ended.
local function refuseRerun(run, token, job, started, reason, decision)
  if not holdsLease(job, token, started) then return {'refused', 'lease'} end
  local key = runKey(run)
  local state, from = unpack(call('HMGET', key, 's', 'rp'))
  if state ~= 'N' then return {'refused', 'run_exists'} end
  call('HSET', key, 's', 'X', 'x', reason, 'at', format('%d', now), 'e', 0, 'k', '0.0.0.0')
  call('ZREM', LIVE, run)
  keepFor(run, KEPT_FAILED)
  announce(run, 'ended')
  if call('HGET', runKey(from), 'rd') == run then decideDuty(from, '-', decision) end
  return {'ok'}
end
