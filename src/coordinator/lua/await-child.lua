-- awaitChild: a node is about to start a child run and to wait for its end (flow.asRun). Its mark is in the child's hash before
-- the child's job exists: so the child's end is never missed, and is kept until the node has read it.
--
-- Arguments: run, ticket, index, attempt, lease, key (of the call), child (run id), flow (of the child)
-- Returns
--   {'unopened'}   no worker has opened the child: its job is to be added
--   {'live'}       the child has not ended: settle the attempt as `awaiting`
--   {'ended'}      the child has ended: its end is to be read, and the attempt settled by it
--   {'gone'}       the child was started before, and nothing is left of it
--   {'refused', reason}: no_run | cancelled | superseded (the node does not run this attempt under this lease)
-- Idempotent.
local function awaitChild(run, ticket, index, number, lease, key, child, flow)
  local runHash, childHash = runKey(run), runKey(child)
  local state, packed, rowText, awaited = unpack(call('HMGET', runHash, 's', 'n' .. index, 't' .. ticket, 'a' .. index))
  if not state then return {'refused', 'no_run'} end
  if state ~= 'R' then return {'refused', 'cancelled'} end
  local letter, granted, holder = unpackNode(packed or '')
  local isRunning = letter == 'R' and granted == number and holder == ticket
  if not isRunning or not rowText or readRow(rowText).lease ~= lease then
    return {'refused', 'superseded'}
  end
  local childState = call('HGET', childHash, 's')
  if childState and childState ~= 'R' then return {'ended'} end
  if not childState and awaited == child and call('EXISTS', childHash) == 0 then return {'gone'} end
  call('HSET', childHash, 'wt', run .. '|' .. index)
  if not childState then call('PEXPIRE', childHash, HELD) end
  call('HSET', runHash, 'a' .. index, child)
  call('HSETNX', runHash, 'y' .. index .. '.' .. key, child .. '|' .. flow)
  return {childState and 'live' or 'unopened'}
end
