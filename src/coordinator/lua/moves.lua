-- The moves of the script for runs.
local MOVES = {open = open, claim = claim, settle = settle, expand = expand, refuse = refuse, readValues = readValues, owed = owed,
  cancel = cancel, cancelChildren = cancelChildren, sweptChildren = sweptChildren, pause = pause, resume = resume,
  release = release, rescue = rescue, adopt = adopt, recordChild = recordChild, awaitChild = awaitChild, wake = wake}
