-- The moves of the script for reruns and manual retries: apart, so that runs which are never repeated don't pay for them.
local MOVES = {createRerun = createRerun, declineRetry = declineRetry, copyReused = copyReused, openRerun = openRerun,
  refuseRerun = refuseRerun, retryNodes = retryNodes, owed = owed}
