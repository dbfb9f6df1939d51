-- Shared by the moves of shared limits: time, keys. Every call of the composed script defines these anew: keep it short.
-- ARGV[1] is the shard's prefix, such as `{reprise:0}`. All keys of a script share that hash tag.
local call = redis.call
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local PREFIX = ARGV[1]

-- Redis' own clock, in whole ms and in µs.
local TIME = call('TIME')
local micros = TIME[1] * 1000000 + TIME[2]
local now = floor(micros / 1000)

local function int(text) return tonumber(text) or 0 end

-- The key of a part of a shared limit: what is at the end may hold any character.
local function sharedKey(kind, part, key) return PREFIX .. '/' .. kind .. part .. ':' .. key end
