-- The moves of the script for runs. ARGV: what prelude.lua names, then the moves (see make-moves.lua).
local MOVES = {open = open, claim = claim, settle = settle, expand = expand, refuse = refuse, readValues = readValues,
  cancel = cancel, pause = pause, resume = resume, rescue = rescue, adopt = adopt,
  recordChild = recordChild, awaitChild = awaitChild}
local FIRST_MOVE = 5
