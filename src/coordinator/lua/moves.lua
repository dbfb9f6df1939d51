-- The moves of the script for runs.
local MOVES = {open = open, claim = claim, settle = settle, expand = expand, refuse = refuse, readValues = readValues,
  cancel = cancel, pause = pause, resume = resume, rescue = rescue, adopt = adopt,
  recordChild = recordChild, awaitChild = awaitChild, wake = wake}
