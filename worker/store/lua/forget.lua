#!lua flags=allow-oom
-- Delete entries of a person from one stream. Those that a group had not passed yet become filtered:forgotten there.
-- KEYS  stream, ids that were deleted from it, then of each group its ledger and its changes
-- ARGV  number of groups, their names, what is noted in the changes, then the ids to delete
-- Returns how many entries were deleted, and for each group how many of them still waited.
-- The caller holds the lease of every group: nobody has these entries in hand.
local function order(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local groups = tonumber(ARGV[1])
local cursors = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local fields = {}
  for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
  cursors[fields['name']] = fields['last-delivered-id']
end
local reply = {0}
for g = 1, groups do reply[g + 1] = 0 end
local head = ARGV[groups + 2]
for i = groups + 3, #ARGV do
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
    reply[1] = reply[1] + 1
    local ms, seq = order(ARGV[i])
    redis.call('ZADD', KEYS[2], ms, ARGV[i])
    for g = 1, groups do
      local at_ms, at_seq = order(cursors[ARGV[g + 1]] or '0-0')
      if ms > at_ms or (ms == at_ms and seq > at_seq) then
        reply[g + 1] = reply[g + 1] + 1
        local position = redis.call('HINCRBY', KEYS[1 + g * 2], 'position', 1)
        redis.call('XGROUP', 'SETID', KEYS[1], ARGV[g + 1], cursors[ARGV[g + 1]], 'ENTRIESREAD', position)
        redis.call('HINCRBY', KEYS[1 + g * 2], 'filtered:forgotten', 1)
        redis.call('XADD', KEYS[2 + g * 2], '*', 'h', head, 'e', ARGV[i] .. '=filtered:forgotten')
      end
    end
  end
end
return reply
