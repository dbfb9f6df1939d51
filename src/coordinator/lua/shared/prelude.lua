-- Shared by the moves of shared limits: time, keys.
local call = redis.call
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min

-- What differs from call to call (see lib/prelude.lua).
local PREFIX -- of the shard, such as `{reprise:0}`. All keys of a script share that hash tag.
local now, micros -- Redis' own clock, in whole ms and in µs

-- `argv`: the prefix, then the moves (make-moves.lua). Returns the position of the first move.
local function beginCall(argv)
  PREFIX = argv[1]
  local time = call('TIME')
  micros = time[1] * 1000000 + time[2]
  now = floor(micros / 1000)
  return 2
end

local function int(text) return tonumber(text) or 0 end

-- The key of a part of a shared limit: what is at the end may hold any character.
local function sharedKey(kind, part, key) return PREFIX .. '/' .. kind .. part .. ':' .. key end
