-- The composed script's entry: runs the moves of one event-loop tick, one after the other, and answers in their order.
-- ARGV: what prelude.lua names, then per move: name, number of arguments, arguments.
-- A move that raises an error does not touch the others: its answer is {'error', message}.
local MOVES = {open = open, claim = claim, settle = settle, refuse = refuse, readValues = readValues,
  cancel = cancel, pause = pause, resume = resume, rescue = rescue, adopt = adopt,
  recordChild = recordChild}
local answers, position, last = {}, 5, #ARGV
while position <= last do
  local count = tonumber(ARGV[position + 1])
  local ok, answer = pcall(MOVES[ARGV[position]], unpack(ARGV, position + 2, position + 1 + count))
  answers[#answers + 1] = ok and answer or {'error', tostring(type(answer) == 'table' and answer.err or answer)}
  position = position + 2 + count
end
return answers
