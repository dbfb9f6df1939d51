-- The truth table: what a node becomes once its upstreams are final. docs/flows.md has it in words, and flow/trigger.ts
-- the letters of the triggers.
--   s, f, k  how many upstreams succeeded, failed (upstream_failed is a failure), were skipped; all: how many there are
--   n        the number of at_least and at_most
-- Where a skip doesn't propagate it counts as a success.
-- Outcomes: Y runs, S succeeds (virtual nodes), U upstream_failed, K skipped because an upstream was, N not needed.
local function outcomeOf(rule, n, s, f, k, all)
  -- tasks
  if rule == 's' then return f > 0 and 'U' or k > 0 and 'K' or 'Y' end -- all_success
  if rule == 'n' then return f > 0 and 'U' or 'Y' end -- none_failed
  if rule == 'm' then return f > 0 and 'U' or s > 0 and 'Y' or 'K' end -- none_failed_min_one_success
  if rule == 'o' or rule == 'O' then return s + k > 0 and 'Y' or 'U' end -- any_success, any_success_fast
  if rule == 'p' then return s + k >= n and 'Y' or 'U' end -- at_least(n, 'success')
  if rule == 'Q' then return f <= n and 'Y' or 'U' end -- at_most(n, 'failed')
  if rule == 'f' or rule == 'F' then return f > 0 and 'Y' or 'N' end -- any_failed, any_failed_fast
  if rule == 'a' then return f == all and 'Y' or 'N' end -- all_failed
  if rule == 'q' then return f >= n and 'Y' or 'N' end -- at_least(n, 'failed')
  if rule == 'P' then return s + k <= n and 'Y' or 'N' end -- at_most(n, 'success')
  if rule == 'w' then return k == 0 and 'Y' or 'K' end -- none_skipped
  if rule == 'z' then return k == all and 'Y' or 'N' end -- all_skipped
  if rule == 'd' then return 'Y' end -- all_done
  -- virtual nodes
  if rule == 'G' then return f > 0 and 'S' or 'N' end -- gate: the door of plan B
  if rule == 'J' or rule == 'V' then return s > 0 and 'S' or f > 0 and 'U' or 'K' end -- orElse, firstOf
  if rule == 'A' then return f > 0 and 'U' or k > 0 and 'K' or 'S' end -- succeeded
  if rule == 'i' then return f > 0 and 'U' or s > 0 and 'S' or 'K' end -- the end of an item
  return 'S' -- D, settled
end

-- Fast triggers fire as soon as they hold, whatever the rest of the upstreams does.
local function isFast(rule) return rule == 'O' or rule == 'F' end

-- Skips propagate also through a trigger that would count them as successes (`skipOnUpstreamSkip`): what would run is
-- skipped. A failure beats a skip.
local function withSkips(outcome, propagates, k)
  if outcome == 'Y' and propagates == 'k' and k > 0 then return 'K' end
  return outcome
end
