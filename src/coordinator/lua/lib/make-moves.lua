-- A script's entry: makes the MOVES of one event-loop tick, one after the other, and answers in their order.
-- `argv`, after what beginCall names, per move: name, number of answers that it owes, number of arguments, arguments.
-- The reply is one flat list, because Redis looks at every table of a reply seven times: per answer its length, then its
-- fields. A move answers with a list of fields, or with a list of such lists.
-- A move that raises an error does not touch the others: each answer that it owes is {'error', message}.
local function reply(replies, answer)
  local at, length = #replies + 1, #answer
  replies[at] = length
  for i = 1, length do replies[at + i] = answer[i] end
end

local function makeMoves(argv)
  local position, last, replies = beginCall(argv), #argv, {}
  while position <= last do
    local count = argv[position + 2] + 0
    local ok, answer = pcall(MOVES[argv[position]], unpack(argv, position + 3, position + 2 + count))
    if not ok then
      for _ = 1, argv[position + 1] do reply(replies, errorAnswer(answer)) end
    elseif type(answer[1]) == 'table' then
      for _, one in ipairs(answer) do reply(replies, one) end
    else reply(replies, answer) end
    position = position + 3 + count
  end
  return replies
end
