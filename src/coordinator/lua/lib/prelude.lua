-- Shared by all moves: settings, time, keys, small readers.
local call = redis.call
local match, gmatch, gsub, find, sub, format =
  string.match, string.gmatch, string.gsub, string.find, string.sub, string.format
local concat, floor, ceil, max, min = table.concat, math.floor, math.ceil, math.max, math.min

-- What differs from call to call is set by `beginCall`: a Redis Function is defined once and called often.
local PREFIX -- of the shard, such as `{reprise:0}`. All keys of a script share that hash tag.
local KEPT, KEPT_FAILED -- ms that a run is kept after success, and after failure (R20)
local MAX_CRASHES -- that a node survives unless its policy says otherwise
local LIVE -- sorted set: run id by the time of its next check
local DUTIES -- sorted set: failed runs about whose retry nobody has decided yet, by their end
local SWEEPS -- sorted set: cancelled runs whose children are not all cancelled yet, by their end
local now, nowCeil -- Redis' own clock in ms: rounded down for comparing, up for making due times, so never early (R15)

-- `argv`: the four settings, then the moves (make-moves.lua). Returns the position of the first move.
local function beginCall(argv)
  PREFIX, KEPT, KEPT_FAILED, MAX_CRASHES = argv[1], argv[2], argv[3], argv[4]
  LIVE, DUTIES, SWEEPS = PREFIX .. '/live', PREFIX .. '/duties', PREFIX .. '/sweeps'
  local time = call('TIME')
  local micros = time[1] * 1000000 + time[2]
  now, nowCeil = floor(micros / 1000), ceil(micros / 1000)
  return 5
end

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
