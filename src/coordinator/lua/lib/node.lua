-- A node's packed field `n<index>` of the run: state:attempts:ticket:retries:crashes:start:x
--   state     Y ready, R running, T retrying, W waiting for a time, P parked by a pause,
--             H waiting for a handler, B for a budget, O for an open breaker, L for a lock (the grant was given back),
--             C waiting for a child run, in no row: its attempt goes on when the child has ended (lib/run-end.lua),
--             S succeeded, F failed, f failed and forgiven, U upstream_failed, u the same forgiven; skipped: K because an
--             upstream was, N not needed, I its `if` was false, X by its handler (an absent field is `pending`)
--   attempts  granted so far (I: the last grant was no attempt)   ticket   whose row holds it
--   retries   used of its budget      crashes  charged by lost leases
--   start     of the last attempt (of Y and P: only if that attempt goes on); since when it waits (H, B, O, L, C)
--   x         due time (T, W, H, B, O, L), end (S, F, skipped), index of the node that caused it (U, u), fencing token of the
--             grant (R),
--             followed by /<since> if a handler was missing before
-- Times are ms since the run was opened.
local function unpackNode(text) return match(text, '^(%a):(%d*):(%d*):(%d*):(%d*):(%-?%d*):([%d%-/]*)$') end

local function packNode(state, attempts, ticket, retries, crashes, start, x)
  return state .. ':' .. attempts .. ':' .. ticket .. ':' .. retries .. ':' .. crashes .. ':' .. start .. ':' .. x
end

local function hasFailed(state) return state == 'F' or state == 'f' or state == 'U' or state == 'u' end
local function wasSkipped(state) return state == 'K' or state == 'N' or state == 'I' or state == 'X' end
local function isParked(state) return state == 'H' or state == 'B' or state == 'O' or state == 'L' end
local function isFinal(state) return state == 'S' or hasFailed(state) or wasSkipped(state) end
