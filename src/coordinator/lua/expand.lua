-- expand: makes the instances of a map's body for one chunk of its items (R25).
--
-- Arguments: run, ticket, index (of the map), attempt, lease, at, graph (as for `settle`),
--   first (position of the chunk's first item), instance (its instance), body (<stride>.<nodes of an instance>),
--   roots (<node>.<delayMs>.<place>,...: those of a body that wait for nothing else), grain (nodes of one ticket),
--   items (per item: its key or '', a line break, its value as JSON, a line break)
-- Returns {'expanded', made, toAdd} or {'refused', reason} as `settle` does. Announces: started.
-- `made` is how many items have their instances. A chunk that was made before changes nothing: whoever continues after a
-- crash learns from the answer where.
local function expand(run, ticket, index, number, lease, at, graph, first, instance, body, roots, grain, items)
  local runState, packed, rowText, counters, paused, made =
    unpack(call('HMGET', runKey(run), 's', 'n' .. index, 't' .. ticket, 'k', 'pz', 'c' .. index))
  if not runState then return {'refused', 'no_run'} end
  if runState == 'C' then return {'refused', 'cancelled'} end
  local state, granted = unpackNode(packed or '')
  if not state or int(granted) < tonumber(number) then return {'refused', 'behind'} end
  local row = rowText and readRow(rowText)
  if state ~= 'R' or granted ~= number or not row or row.lease ~= lease then return {'refused', 'superseded'} end
  if int(made) > tonumber(first) then return {'expanded', int(made), ''} end

  local change = newChange(run, at, graph, counters, paused)
  local stride, nodes = match(body, '^(%d+)%.(%d+)$')
  local starts, values, count = {}, {}, 0
  for node, delayMs, place in gmatch(roots, '(%d+)%.(%d+)%.(%d+)') do starts[#starts + 1] = {node, tonumber(delayMs), place} end
  for item in gmatch(items, '[^\n]*\n[^\n]+\n') do
    local shift = (instance + count * stride) * INSTANCE
    values[#values + 1] = format('%d', shift)
    values[#values + 1] = sub(item, 1, -2)
    for i = 1, #starts do
      local start = starts[i]
      change.ready[#change.ready + 1] = {shifted(shift, start[1]), start[2], start[3], ''}
    end
    count = count + 1
  end
  writeFields(outKey(run), values)
  change.left = change.left + count * nodes
  change.fields = {'c' .. index, first + count}
  giveTickets(change, ticket, tonumber(grain))
  putRow(change, ticket, 'more', row.seen, row.lease, row, row.tokens)
  writeChange(change)
  announce(run, 'started')
  return {'expanded', first + count, concat(change.toAdd, ';')}
end
