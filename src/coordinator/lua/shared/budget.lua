-- takeBudget: a node's first attempt adds tokens to a budget, each further attempt takes one, or waits for one.
--
-- Arguments: key, holder (run:node:attempt), leaseMs, retry ('1': not the node's first attempt), ratio (tokens by a first
--   attempt), minPerSecond (tokens by a second), burst (tokens at most)
-- Returns {'go'}, or {'wait', waitMs, waitedMs}: the node is to be parked, and to come again.
-- Idempotent: for `leaseMs` the same holder gets the same answer, at no cost. A token that is not used is lost.
-- Fields of the hash `/budget:<key>`: n tokens, at when they were counted (ms), w, cf, pf first attempts (window.lua).
-- A bucket that nobody has used is full. Sorted set `/budget-taken:<key>`: holders by the end of their lease.
local FIRSTS_WINDOW = 10000 -- ms over which first attempts are counted, to tell how soon tokens will come

local function takeBudget(key, holder, leaseMs, retry, ratio, minPerSecond, burst)
  local state, taken = sharedKey('budget', '', key), sharedKey('budget', '-taken', key)
  ratio, minPerSecond, burst = tonumber(ratio), tonumber(minPerSecond), tonumber(burst)
  call('ZREMRANGEBYSCORE', taken, '-inf', now)
  if call('ZSCORE', taken, holder) then return {'go'} end

  local counted, at = unpack(call('HMGET', state, 'n', 'at'))
  local tokens = counted and min(burst, counted + max(0, now - at) / 1000 * minPerSecond) or burst
  local firsts = readWindow(state, FIRSTS_WINDOW, {'f'})
  if retry == '1' then
    local line = lineOf('budget', key, holder)
    if not mayPass(line, tokens + 1e-6, areIdle(line, tokens, burst)) then
      local perSecond = minPerSecond + ratio * firsts.counts.f * 1000 / FIRSTS_WINDOW
      return waitInLine(line, 0, tokens, perSecond)
    end
    leaveLine(line)
    tokens = tokens - 1
  else
    tokens = tokens + ratio -- what is beyond `burst` is lost when it is read
    addToWindow(firsts, 'f', 1)
    writeWindow(firsts)
  end
  call('HSET', state, 'n', tokens, 'at', max(now, int(at)))
  call('ZADD', taken, now + leaseMs, holder)
  keep(state, max(SHARED_TTL, ceil(burst / minPerSecond * 1000)))
  keep(taken)
  return {'go'}
end
