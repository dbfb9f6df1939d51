-- The moves of the script for limits that runs share (R23).
local MOVES = {takeBudget = takeBudget, takeBreaker = takeBreaker, renewProbe = renewProbe, reportBreaker = reportBreaker,
  takeLock = takeLock, renewLock = renewLock, releaseLock = releaseLock}
