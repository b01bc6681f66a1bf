#!lua flags=allow-oom
-- Delete entries of a person from one stream. Those that a group had not passed yet become filtered:forgotten there.
-- KEYS  stream, ids that were deleted from it, then of each group its ledger and its changes
-- ARGV  number of groups, their names, what is noted in the changes, then the ids to delete
-- Returns how many entries were deleted, and for each group how many of them still waited.
-- The caller holds the lease of every group: nobody has these entries in hand.
-- include prelude
local groups = tonumber(ARGV[1])
local reply, cursors = {0}, {}
for g = 1, groups do
  reply[g + 1] = 0
  cursors[g] = cursor_of(KEYS[1], ARGV[g + 1])
end
local head = ARGV[groups + 2]
local now = redis.call('TIME')
-- When it was deleted tells which runs have a code of it: those that were settled before.
local deleted = string.format(' %.0f', now[1] * 1000 + math.floor(now[2] / 1000))
for i = groups + 3, #ARGV do
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    reply[1] = reply[1] + 1
    redis.call('ZADD', KEYS[2], string.match(ARGV[i], '^%d+'), ARGV[i] .. deleted)
    for g = 1, groups do
      if cursors[g] and before(cursors[g], ARGV[i]) then
        reply[g + 1] = reply[g + 1] + 1
        local ledger, changes = KEYS[1 + g * 2], KEYS[2 + g * 2]
        local position = redis.call('HINCRBY', ledger, 'position', 1)
        redis.call('XGROUP', 'SETID', KEYS[1], ARGV[g + 1], cursors[g], 'ENTRIESREAD', position)
        redis.call('HINCRBY', ledger, 'filtered:forgotten', 1)
        note_change(changes, ARGV[i], 'filtered:forgotten', head)
      end
    end
  end
end
return reply
