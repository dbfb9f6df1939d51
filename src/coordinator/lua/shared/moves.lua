-- The moves of the script for limits that runs share (R23). ARGV: the shard's prefix, then the moves (see make-moves.lua).
local MOVES = {takeBudget = takeBudget, takeBreaker = takeBreaker, renewProbe = renewProbe, reportBreaker = reportBreaker}
local FIRST_MOVE = 2
