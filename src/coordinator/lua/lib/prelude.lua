-- Shared by all moves: time, keys, small readers. Every call of the composed script defines these anew: keep it short.
-- ARGV[1] is the shard's prefix, such as `{reprise:0}`. All keys of a script share that hash tag. ARGV[2] to ARGV[4] are the
-- caller's settings: ms that a run is kept after success, and after failure (R20), and the crashes that a node survives
-- unless its policy says otherwise.
local call = redis.call
local match, gmatch, gsub, find, sub, format =
  string.match, string.gmatch, string.gsub, string.find, string.sub, string.format
local concat, floor, ceil, max, min = table.concat, math.floor, math.ceil, math.max, math.min
local PREFIX, KEPT, KEPT_FAILED, MAX_CRASHES = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local LIVE = PREFIX .. '/live' -- sorted set: run id by the time of its next check
local DUTIES = PREFIX .. '/duties' -- sorted set: failed runs about whose retry nobody has decided yet, by their end

-- Redis' own clock in ms: `now` rounded down for comparing, `nowCeil` up for making due times, so never early (R15).
local TIME = call('TIME')
local micros = TIME[1] * 1000000 + TIME[2]
local now, nowCeil = floor(micros / 1000), ceil(micros / 1000)

local function int(text) return tonumber(text) or 0 end
local function runKey(run) return PREFIX .. '/run:' .. run end -- hash: the run, its nodes and rows
local function outKey(run) return PREFIX .. '/out:' .. run end -- hash: node index -> result, JSON
local function logKey(run) return PREFIX .. '/log:' .. run end -- hash: node index -> lines of ended attempts
local function graphKey(graph) return PREFIX .. '/graph:' .. graph end

local function append(list, more)
  for i = 1, #more do list[#list + 1] = more[i] end
  return list
end

-- Writes a flat list of fields and values, in chunks that `unpack` can carry.
local function writeFields(key, list)
  for from = 1, #list, 2000 do call('HSET', key, unpack(list, from, min(from + 1999, #list))) end
end

local function removeFields(key, list)
  for from = 1, #list, 2000 do call('HDEL', key, unpack(list, from, min(from + 1999, #list))) end
end

-- Reads many fields in chunks: returns values by position, false where absent.
local function readFields(key, fields)
  local values = {}
  for from = 1, #fields, 1000 do
    local upTo = min(from + 999, #fields)
    local part = call('HMGET', key, unpack(fields, from, upTo))
    for i = 1, #part do values[from + i - 1] = part[i] end
  end
  return values
end
