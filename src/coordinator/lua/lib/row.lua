-- A ticket's packed field `t<ticket>` of the run (R1): state|seen|lease|by|due|place|tokens, of a row that was claimed with
-- `wrote` in the place of `due`
--   state   o owed (its job may not exist yet), c claimed, e ended (only finally failed nodes are left)
--   seen    <stalled count>.<attemptsMade> of the job at its last claim
--   lease   the delivery that claimed it last: unique per delivery, while a BullMQ token may serve several
--   by      the ticket whose delivery wrote it, and so owes the job
--   due     of an owed row: ms since the run was opened, or empty
--   wrote   the first and the last of the tickets that its deliveries wrote, as first * 10^7 + last; 0: none; empty: not
--           noted, as by versions before
--   place   queue@priority that a decision moved the node to, or empty for the node's own
--   tokens  the nodes it holds: `7` running, `+7` ready, `~7` waiting for a due time, `!7` finally failed
local WROTE = 10000000

local function unpackRow(text) return match(text, '^(%a)|([%d.]*)|([^|]*)|(%d*)|(%-?%d*)|([^|]*)|(.*)$') end

local function readRow(text)
  local row = {}
  row.state, row.seen, row.lease, row.by, row.due, row.place, row.tokens = unpackRow(text)
  if row.state == 'o' then row.wrote = '0' else row.wrote, row.due = row.due, '' end
  return row
end

local function packRow(state, seen, lease, by, due, place, tokens)
  return state .. '|' .. seen .. '|' .. lease .. '|' .. by .. '|' .. due .. '|' .. place .. '|' .. tokens
end

-- What a row notes when its delivery writes the tickets from `first` to `last`.
local function noteWritten(wrote, first, last)
  if first > last or wrote == '' then return wrote end
  if wrote ~= '0' then first = floor(wrote / WROTE) end
  return last < WROTE and format('%d', first * WROTE + last) or ''
end

-- What settling needs of a row. Of a row that a delivery holds, nothing changes until its end but the tokens.
local function readClaimedRow(text)
  local lease, place, tokens = match(text, '^%a|[%d.]*|([^|]*)|%d*|%-?%d*|([^|]*)|(.*)$')
  return {lease = lease, place = place, tokens = tokens, head = sub(text, 2, -#tokens - 1)}
end

local function owedRow(by, due, place, tokens) return packRow('o', '', '', by, due, place, tokens) end

-- The same of a row as readClaimedRow gave it.
local function noteInHead(head, first, last)
  if first > last then return head end
  local before, wrote, after = match(head, '^(|[%d.]*|[^|]*|%d*|)(%d*)(|.*)$')
  return before .. noteWritten(wrote, first, last) .. after
end

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

-- How a worker is told to ask for those of the tickets from `first` to `last` that a ticket owes (see owed.lua).
local function toAsk(ticket, first, last)
  return first > last and '' or '>' .. ticket .. '.' .. first .. '.' .. last
end

-- The tickets among which those are that a ticket owes (R8): all greater ones, if its row is gone or has not noted which.
local function owedBy(ticket, wrote, tickets)
  if wrote == '0' then return '' end
  if wrote == '' then return toAsk(ticket, ticket + 1, tickets) end
  return toAsk(ticket, floor(wrote / WROTE), wrote % WROTE)
end

-- The last log line of the first finally failed node of a row: what its job fails with.
local function firstFailure(run, tokens)
  return lastLine(call('HGET', logKey(run), match(tokens, '!(%d+)') or ''))
end
