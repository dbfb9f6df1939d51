-- A script's entry: makes the MOVES of one event-loop tick, one after the other, and answers in their order.
-- ARGV, from FIRST_MOVE on, per move: name, number of arguments, arguments.
-- A move that raises an error does not touch the others: its answer is {'error', message}.
local answers, position, last = {}, FIRST_MOVE, #ARGV
while position <= last do
  local count = tonumber(ARGV[position + 1])
  local ok, answer = pcall(MOVES[ARGV[position]], unpack(ARGV, position + 2, position + 1 + count))
  answers[#answers + 1] = ok and answer or {'error', tostring(type(answer) == 'table' and answer.err or answer)}
  position = position + 2 + count
end
return answers
