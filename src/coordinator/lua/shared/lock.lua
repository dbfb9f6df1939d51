-- A lock by key: one attempt of the fleet has it at a time. Those that wait get it in the order in which they came (line.lua):
-- whoever gives it back keeps it for the first of them, its turn, and tells it to come. Fields of the hash `/lock:<key>`,
-- which is absent while nobody has the lock:
--   h      who: run:node:attempt
--   until  the end of its lease, or of its turn, epoch ms
--   t      1: it is its turn, and it has yet to come
-- An attempt that misses its turn loses its place: else one whose worker has no free slot would hold all others up each time.
local LOOKS_PER_SECOND = 10 -- in which those that wait look by themselves whether the holder was lost

local function giveLock(state, holder, ms, turn)
  call('HSET', state, 'h', holder, 'until', now + ms, 't', turn)
  keep(state)
end

-- takeLock: may an attempt start?
--
-- Arguments: key, holder (run:node:attempt), leaseMs, turnMs (in which one that is told to come has to)
-- Returns {'go'}: it has the lock for `leaseMs`, which are to be renewed; or {'wait', waitMs, waitedMs, called}: the node is
--   to be parked, and to come again. `called`: '', or who is to be told that it is its turn: the lock was free, but others
--   came before.
-- Idempotent: the same holder gets the same answer, also when its lease has ended and nobody has asked since.
local function takeLock(key, holder, leaseMs, turnMs)
  local state, called = sharedKey('lock', '', key), ''
  local owner, ends, turn = unpack(call('HMGET', state, 'h', 'until', 't'))
  local isFree = not owner or now >= int(ends)
  if isFree and turn == '1' and owner ~= holder then leaveLine(lineOf('lock', key, owner)) end
  local line = lineOf('lock', key, holder)
  if isFree or owner == holder then
    local first = call('ZRANGE', line.arrivals, 0, 0)[1]
    if owner == holder or not first or first == holder then
      leaveLine(line)
      giveLock(state, holder, leaseMs, '')
      return {'go'}
    end
    giveLock(state, first, turnMs, '1')
    called, ends = first, now + turnMs
  end
  local answer = waitInLine(line, ends - now, 1, LOOKS_PER_SECOND)
  answer[4] = called
  return answer
end

-- renewLock: the holder's handler still runs.
--
-- Arguments: key, holder, leaseMs
-- Returns {'ok'}, or {'stale'}: its lease has ended, and the lock is somebody else's. Idempotent.
local function renewLock(key, holder, leaseMs)
  local state = sharedKey('lock', '', key)
  local owner, turn = unpack(call('HMGET', state, 'h', 't'))
  if owner ~= holder or turn == '1' then return {'stale'} end
  giveLock(state, holder, leaseMs, '')
  return {'ok'}
end

-- releaseLock: its holder gives it back, or somebody else for one that was called and does not wait any more.
--
-- Arguments: key, holder, turnMs
-- Returns {'called', who}: whose turn it is, to be told; {'free'}: nobody waits; or {'stale'}: it is not this holder's.
-- A second call changes nothing.
local function releaseLock(key, holder, turnMs)
  local state = sharedKey('lock', '', key)
  if call('HGET', state, 'h') ~= holder then return {'stale'} end
  local line = lineOf('lock', key, holder)
  leaveLine(line)
  local first = call('ZRANGE', line.arrivals, 0, 0)[1]
  if first then
    giveLock(state, first, turnMs, '1')
    return {'called', first}
  end
  call('DEL', state)
  return {'free'}
end
