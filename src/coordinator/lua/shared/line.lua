-- The line of those that wait for a shared limit: they are let through in the order of their arrival, spread over time.
-- Nobody calls them: each is told when to come again, by its place in the line.
-- `holder` is run:node:attempt. Two sorted sets: by arrival (µs), and by when each is to come again (ms).
local OVERDUE = 2000 -- ms: who comes later than this holds nobody up that stands behind it
local FORGOTTEN = 3600000 -- ms: who comes later than this has lost its place (its run was cancelled, or has ended)
local FARTHEST = 60000 -- ms: those far back come to ask again between this and twice this, since a line may get faster
local SOONEST = 50 -- ms
local SHARED_TTL = 172800000 -- ms after the last use: longer than any breaker is open

local function keep(key, ttl) call('PEXPIRE', key, ttl or SHARED_TTL) end

-- Where `holder` stands: `ahead` are those before it that have not missed their time.
local function lineOf(kind, key, holder)
  local arrivals, dues = sharedKey(kind, '-line', key), sharedKey(kind, '-due', key)
  for _, gone in ipairs(call('ZRANGEBYSCORE', dues, '-inf', now - FORGOTTEN, 'LIMIT', 0, 100)) do
    call('ZREM', arrivals, gone)
    call('ZREM', dues, gone)
  end
  local length, rank = call('ZCARD', arrivals), call('ZRANK', arrivals, holder)
  local overdue = length > 0 and call('ZCOUNT', dues, '-inf', now - OVERDUE) or 0
  return {arrivals = arrivals, dues = dues, holder = holder, length = length, waits = rank ~= false,
    overdue = overdue, ahead = max(0, (rank or length) - overdue)}
end

-- May it go, if there are so many free places? Those ahead of it have theirs kept; but not places that are idle: else
-- those that stand in a long queue would keep back those that are here.
local function mayPass(line, free, idle) return free - line.ahead >= 1 or (idle and free >= 1) end

-- Are places idle of which `atMost` can be saved up? If more than half of them were: then nobody has come for them. A
-- single one may just be on time, unless somebody has missed its own.
local function areIdle(line, free, atMost)
  return free >= min(atMost, atMost / 2 + 1) and (atMost >= 2 or line.overdue > 0)
end

local function leaveLine(line)
  if not line.waits then return end
  call('ZREM', line.arrivals, line.holder)
  call('ZREM', line.dues, line.holder)
end

-- It waits, at its old place or at the end: from `baseMs` on, `free` places are given at once and then `perSecond`.
-- Returns the answer {'wait', ms until it is to come again, ms that it has waited}.
local function waitInLine(line, baseMs, free, perSecond)
  local spread = max(0, line.ahead + 1 - free) / perSecond * 1000
  if spread > FARTHEST then spread = FARTHEST * (1 + line.ahead / (line.length + 1)) end
  local wait = ceil(max(SOONEST, baseMs + spread))
  if not line.waits then
    local last = call('ZRANGE', line.arrivals, -1, -1, 'WITHSCORES')[2]
    call('ZADD', line.arrivals, max(micros, int(last) + 1), line.holder)
  end
  call('ZADD', line.dues, now + wait, line.holder)
  keep(line.arrivals)
  keep(line.dues)
  return {'wait', wait, max(0, floor((micros - call('ZSCORE', line.arrivals, line.holder)) / 1000))}
end
