-- A ticket's packed field `t<ticket>` of the run (R1): state|seen|lease|by|due|place|tokens
--   state   o owed (its job may not exist yet), c claimed, e ended (only finally failed nodes are left)
--   seen    <stalled count>.<attemptsMade> of the job at its last claim
--   lease   the delivery that claimed it last: unique per delivery, while a BullMQ token may serve several
--   by      the ticket whose delivery wrote it, and so owes the job
--   due     of an owed row: ms since the run was opened, or empty
--   place   queue@priority that a decision moved the node to, or empty for the node's own
--   tokens  the nodes it holds: `7` running, `+7` ready, `~7` waiting for a due time, `!7` finally failed
local function unpackRow(text) return match(text, '^(%a)|([%d.]*)|([^|]*)|(%d*)|(%-?%d*)|([^|]*)|(.*)$') end

local function readRow(text)
  local row = {}
  row.state, row.seen, row.lease, row.by, row.due, row.place, row.tokens = unpackRow(text)
  return row
end

local function packRow(state, seen, lease, by, due, place, tokens)
  return state .. '|' .. seen .. '|' .. lease .. '|' .. by .. '|' .. due .. '|' .. place .. '|' .. tokens
end

local function owedRow(by, due, place, tokens) return packRow('o', '', '', by, due, place, tokens) end

local function tokensOf(row)
  local tokens = {}
  for token in gmatch(row.tokens, '[^,]+') do tokens[#tokens + 1] = token end
  return tokens
end

-- What a row's tokens leave its delivery to do: `empty`, `failed` (only finally failed nodes), `more`.
local function rowLeft(tokens)
  if #tokens == 0 then return 'empty' end
  for i = 1, #tokens do
    if sub(tokens[i], 1, 1) ~= '!' then return 'more' end
  end
  return 'failed'
end

-- How a worker is told to add a ticket: ticket=indices.delayMs.place
local function ticketToAdd(ticket, tokens, delayMs, place)
  return ticket .. '=' .. string.gsub(tokens, '[^%d,]', '') .. '.' .. delayMs .. '.' .. place
end

-- The rows that `ticket` wrote and whose jobs nobody has claimed yet (R8), as a worker is told to add them.
local function owedBy(key, tickets, ticket, at)
  local fields = {}
  for t = 1, tickets do fields[t] = 't' .. t end
  local rows, owed = readFields(key, fields), {}
  for t = 1, tickets do
    if rows[t] and sub(rows[t], 1, 1) == 'o' then
      local _, _, _, by, due, place, tokens = unpackRow(rows[t])
      if by == ticket then owed[#owed + 1] = ticketToAdd(t, tokens, max(0, int(due) + at - now), place) end
    end
  end
  return concat(owed, ';')
end

-- The last log line of the first finally failed node of a row: what its job fails with.
local function firstFailure(run, tokens)
  return lastLine(call('HGET', logKey(run), match(concat(tokens, ','), '!(%d+)') or ''))
end
