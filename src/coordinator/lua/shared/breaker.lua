-- A circuit breaker by key. Fields of the hash `/breaker:<key>`:
--   s      state: absent closed, O open, H half-open
--   g      generation: grows with each change of the state, so that what began before it says nothing about it
--   until  when an open breaker lets probes through, epoch ms
--   f      failures one after the other (closed)      ok  probes that succeeded (half-open)
--   n, at  places that are free for those that wait, and when they were counted (closed)
--   w, ca, pa, cf, pf  attempts and failures of the sliding window (window.lua)
-- Sorted set `/breaker-probes:<key>`: probes by the end of their lease.
local VERDICT_SOON = 250 -- ms: who finds all probes under way comes again after this

local function changeBreaker(state, probes, fields)
  call('DEL', probes)
  call('HDEL', state, 'f', 'ok', 'n', 'at', 'until', 's', 'w', 'ca', 'pa', 'cf', 'pf')
  call('HINCRBY', state, 'g', 1)
  call('HSET', state, unpack(fields))
end


local function passClosed(state, key, holder, generation, releasePerSecond)
  if not call('ZSCORE', sharedKey('breaker', '-line', key), holder) then return {'go', generation} end
  local line, n, at = lineOf('breaker', key, holder), unpack(call('HMGET', state, 'n', 'at'))
  -- No more places than those of one second are saved up.
  local atMost = max(1, releasePerSecond)
  local places = min(atMost, int(n) + max(0, now - int(at)) / 1000 * releasePerSecond)
  if not mayPass(line, places, areIdle(line, places, atMost)) then return waitInLine(line, 0, places, releasePerSecond) end
  leaveLine(line)
  call('HSET', state, 'n', places - 1, 'at', now)
  return {'go', generation}
end

local function passHalfOpen(state, probes, key, holder, leaseMs, generation, probeCount, releasePerSecond)
  call('ZREMRANGEBYSCORE', probes, '-inf', now)
  if call('ZSCORE', probes, holder) then return {'probe', generation} end
  local line = lineOf('breaker', key, holder)
  local free = probeCount - int(call('HGET', state, 'ok')) - call('ZCARD', probes)
  if not mayPass(line, free, free == probeCount and line.overdue > 0) then
    return waitInLine(line, VERDICT_SOON, 1, releasePerSecond)
  end
  leaveLine(line)
  call('ZADD', probes, now + leaseMs, holder)
  keep(probes)
  return {'probe', generation}
end

-- takeBreaker: may an attempt start?
--
-- Arguments: key, holder (run:node:attempt), leaseMs (of a probe), probes, releasePerSecond
-- Returns {'go', generation}; {'probe', generation}: the attempt decides whether the breaker closes, and its lease is to
--   be renewed; {'wait', waitMs, waitedMs}: the node is to be parked, and to come again.
-- Idempotent: a probe is the same probe again while its lease lasts. One whose lease ends makes room for another.
local function takeBreaker(key, holder, leaseMs, probeCount, releasePerSecond)
  local state, probes = sharedKey('breaker', '', key), sharedKey('breaker', '-probes', key)
  local letter, generation, openUntil = unpack(call('HMGET', state, 's', 'g', 'until'))
  probeCount, releasePerSecond = tonumber(probeCount), tonumber(releasePerSecond)
  if not letter then return passClosed(state, key, holder, int(generation), releasePerSecond) end
  if letter == 'O' and now < int(openUntil) then
    return waitInLine(lineOf('breaker', key, holder), openUntil - now, probeCount, releasePerSecond)
  end
  if letter == 'O' then
    changeBreaker(state, probes, {'s', 'H', 'ok', 0})
    generation = int(generation) + 1
  end
  keep(state)
  return passHalfOpen(state, probes, key, holder, leaseMs, int(generation), probeCount, releasePerSecond)
end

-- renewProbe: a probe's handler still runs.
--
-- Arguments: key, holder, leaseMs
-- Returns {'ok'}, or {'stale'}: its lease has ended, and its verdict will not count. Idempotent.
local function renewProbe(key, holder, leaseMs)
  local probes = sharedKey('breaker', '-probes', key)
  local score = call('ZSCORE', probes, holder)
  if not score or tonumber(score) <= now then return {'stale'} end
  call('ZADD', probes, now + leaseMs, holder)
  return {'ok'}
end

-- Has what was counted, with this verdict, opened the closed breaker? `failures` in a row, or `ratio` of a window of
-- `windowMs` with at least `minAttempts`; the ones that don't apply are 0.
local function isTripped(state, verdict, failures, ratio, windowMs, minAttempts)
  if failures > 0 then
    if verdict == 'failed' then return call('HINCRBY', state, 'f', 1) >= failures end
    call('HDEL', state, 'f')
    return false
  end
  local window = readWindow(state, windowMs, {'a', 'f'})
  addToWindow(window, 'a', 1)
  if verdict == 'failed' then addToWindow(window, 'f', 1) end
  writeWindow(window)
  return window.counts.a >= minAttempts and window.counts.f >= ratio * window.counts.a
end

-- reportBreaker: what an attempt that was let through says about the service.
--
-- Arguments: key, holder, generation (as it was let through), verdict (succeeded | failed | neutral), openForMs, probes,
--   failures, ratio, windowMs, minAttempts (see isTripped)
-- Returns {'closed' | 'open' | 'half_open'}: the state now; or {'stale'}: the state has changed since the attempt was let
--   through, or its lease as a probe has ended; it counts for nothing.
-- Idempotent for probes; a verdict on a closed breaker that is sent twice counts twice.
local function reportBreaker(key, holder, generation, verdict, openForMs, probeCount, failures, ratio, windowMs, minAttempts)
  local state, probes = sharedKey('breaker', '', key), sharedKey('breaker', '-probes', key)
  local letter, current = unpack(call('HMGET', state, 's', 'g'))
  if int(current) ~= tonumber(generation) then return {'stale'} end
  if letter == 'H' then
    call('ZREMRANGEBYSCORE', probes, '-inf', now)
    if call('ZREM', probes, holder) == 0 then return {'stale'} end
    if verdict == 'failed' then
      changeBreaker(state, probes, {'s', 'O', 'until', now + openForMs})
      return {'open'}
    end
    local isClosed = verdict == 'succeeded' and call('HINCRBY', state, 'ok', 1) >= tonumber(probeCount)
    if isClosed then changeBreaker(state, probes, {'n', 1, 'at', now}) end
    return {isClosed and 'closed' or 'half_open'}
  end
  if letter == 'O' then return {'stale'} end
  if verdict == 'neutral' then return {'closed'} end
  local opens = isTripped(state, verdict, tonumber(failures), tonumber(ratio), tonumber(windowMs), tonumber(minAttempts))
  if opens then changeBreaker(state, probes, {'s', 'O', 'until', now + openForMs}) end
  keep(state)
  return {opens and 'open' or 'closed'}
end
