-- wake: the lock that a parked node waits for is kept for it. The node goes on at once, in a ticket of its own: the job of its
-- old one is delayed, or about to be. When that job comes, it finds that its row is gone, and adds the new ticket's job if
-- whoever woke the node died before.
--
-- Arguments: run, index, attempt (that waits for the lock)
-- Returns {'ok', toAdd, graph, place}; no ticket is to be added if the node is on its way already, or if the attempt has yet
--   to be parked: it is marked then (field lt<index>), and its parking doesn't wait (settle.lua);
--   or {'refused', reason}: no_run | final | changed: this attempt does not wait for its lock any more, or the run is paused
-- Announces: settled. Idempotent: a second call finds the node on its way.
local function wake(run, index, attempt)
  local stored = readRun(run, '0')
  if not stored.state then return {'refused', 'no_run'} end
  if stored.state ~= 'R' then return {'refused', 'final'} end
  local state, attempts, ticket, retries, crashes = unpackNode(call('HGET', runKey(run), 'n' .. index) or '')
  if state == 'R' and attempts == attempt then
    call('HSET', runKey(run), 'lt' .. index, attempt)
    return {'ok', '', '', ''}
  end
  local isNext = int(attempts) + 1 == tonumber(attempt)
  if state == 'Y' and isNext then return {'ok', '', '', ''} end
  local rowText = state == 'L' and isNext and not stored.paused and call('HGET', runKey(run), 't' .. ticket)
  if not rowText then return {'refused', 'changed'} end

  local change, row = changeOf(run, stored), readRow(rowText)
  -- Only a delivery that held the row before looks for what it owes.
  local by = row.state == 'o' and '' or ticket
  local new = giveTicket(change, by, {index}, '+', 0, row.place)
  setNode(change, index, packNode('Y', attempts, new, retries, crashes, '', ''))
  row.tokens = replaceToken(row.tokens, '~' .. index, nil)
  if row.tokens == '' then change.spent = {'t' .. ticket}
  else
    local last = row.state == 'o' and row.due or noteWritten(row.wrote, new, new)
    change.fields[#change.fields + 1] = 't' .. ticket
    change.fields[#change.fields + 1] = packRow(row.state, row.seen, row.lease, row.by, last, row.place, row.tokens)
  end
  writeChange(change)
  announce(run, 'settled')
  return {'ok', concat(change.toAdd, ';'), change.graph, stored.place or ''}
end
