-- What a lost lease does to the attempt that ran under it (R6). No function is asked: limits are data.

local WORKER_LOST = '{"name":"WorkerLost","names":["WorkerLost","Error"],'
  .. '"message":"the worker was lost during this attempt"}'

-- Closes a lost attempt and charges the node's crash ledger. Returns the node's new crash count and its limit:
-- that of an enqueue-time policy, of the graph, or the caller's default.
local function chargeCrash(change, index, attempts, crashes, start)
  local charged = int(crashes) + 1
  local limit = int(call('HGET', change.key, 'm' .. templateOf(index)) or graphField(change, 'm', index) or MAX_CRASHES)
  local decision = charged > limit
    and '{"action":"stop","reason":"crash_loop","detail":"' .. charged .. ' crashes, ' .. limit .. ' allowed"}'
    or '{"action":"retry","rule":"crash","baseMs":0,"random":null,"delayMs":0,"retryNumber":' .. charged
      .. ',"maxRetries":' .. limit .. '}'
  local details = '{"error":' .. WORKER_LOST .. ',"decision":' .. decision .. '}'
  appendLog(change.run, index, concat({attempts, 'crash', start, now - change.at, details}, '|'))
  return charged, limit
end

-- Fails a node finally and resolves its dependants (see resolve.lua). A child run that it has not read is let go once that
-- is written (letGoUnread).
local function failNode(change, index, packed, dependants)
  local child = call('HGET', change.key, 'a' .. index)
  if child then change.unread = append(change.unread or {}, {child}) end
  setNode(change, index, packed)
  change.left = change.left - 1
  change.failed = change.failed + 1
  resolve(change, 'F', dependants, index)
end

local function letGoUnread(change)
  for _, child in ipairs(change.unread or {}) do letGo(child) end
end
