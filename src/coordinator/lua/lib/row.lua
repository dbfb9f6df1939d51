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

-- What settling needs of a row. Of a row that a delivery holds, nothing changes until its end but the tokens.
local function readClaimedRow(text)
  local lease, place, tokens = match(text, '^%a|[%d.]*|([^|]*)|%d*|%-?%d*|([^|]*)|(.*)$')
  return {lease = lease, place = place, tokens = tokens, head = sub(text, 2, -#tokens - 1)}
end

local function owedRow(by, due, place, tokens) return packRow('o', '', '', by, due, place, tokens) end

-- The tokens with `replacement` (nil: nothing) in the place of `token`.
local function replaceToken(tokens, token, replacement)
  if tokens == token then return replacement or '' end
  local padded = ',' .. tokens .. ','
  local from, to = find(padded, ',' .. token .. ',', 1, true)
  local before, after = sub(padded, 2, from), sub(padded, to, -2)
  if replacement then return before .. replacement .. after end
  return (before == '' or after == '') and sub(before, 1, -2) .. sub(after, 2) or before .. sub(after, 2)
end

-- What a row's tokens leave its delivery to do: `empty`, `failed` (only finally failed nodes), `more`.
local function rowLeft(tokens)
  if tokens == '' then return 'empty' end
  return (find(tokens, '^[^!]') or find(tokens, ',[^!]')) and 'more' or 'failed'
end

-- How a worker is told to add a ticket: ticket=indices.delayMs.place
local function ticketToAdd(ticket, tokens, delayMs, place)
  return ticket .. '=' .. gsub(tokens, '[^%d,]', '') .. '.' .. delayMs .. '.' .. place
end

-- The rows that `ticket` wrote and whose jobs nobody has claimed yet (R8), as a worker is told to add them. Those it wrote
-- have greater numbers than its own.
local function owedBy(key, tickets, ticket, at)
  local fields, owed = {}, {}
  for t = ticket + 1, tickets do fields[#fields + 1] = 't' .. t end
  for i, row in ipairs(readFields(key, fields)) do
    if row and sub(row, 1, 1) == 'o' then
      local _, _, _, by, due, place, tokens = unpackRow(row)
      if by == ticket then owed[#owed + 1] = ticketToAdd(ticket + i, tokens, max(0, int(due) + at - now), place) end
    end
  end
  return concat(owed, ';')
end

-- The last log line of the first finally failed node of a row: what its job fails with.
local function firstFailure(run, tokens)
  return lastLine(call('HGET', logKey(run), match(tokens, '!(%d+)') or ''))
end
