-- Counts over a sliding window: those of the current period, and the share of the period before that is still in the
-- window, as if its counts had come evenly. Fields of the hash `state`: w (the period's number), and for each counter
-- c<name> (current) and p<name> (before).
local function readWindow(state, periodMs, names)
  local period, fields = floor(now / periodMs), {'w'}
  for _, name in ipairs(names) do
    fields[#fields + 1] = 'c' .. name
    fields[#fields + 1] = 'p' .. name
  end
  local stored = call('HMGET', state, unpack(fields))
  local age, left = period - int(stored[1]), 1 - now % periodMs / periodMs
  local window = {state = state, period = period, names = names, current = {}, before = {}, counts = {}}
  for i, name in ipairs(names) do
    local current, before = int(stored[2 * i]), int(stored[2 * i + 1])
    if age == 1 then current, before = 0, current
    elseif age ~= 0 then current, before = 0, 0 end
    window.current[name], window.before[name], window.counts[name] = current, before, current + before * left
  end
  return window
end

local function addToWindow(window, name, amount)
  window.current[name] = window.current[name] + amount
  window.counts[name] = window.counts[name] + amount
end

local function writeWindow(window)
  local fields = {'w', window.period}
  for _, name in ipairs(window.names) do
    fields[#fields + 1] = 'c' .. name
    fields[#fields + 1] = window.current[name]
    fields[#fields + 1] = 'p' .. name
    fields[#fields + 1] = window.before[name]
  end
  call('HSET', window.state, unpack(fields))
end
