#!lua
-- Append events to one stream, each event id once. All or nothing: without `allow-oom` Redis refuses the whole
-- script when memory is full. Without events it changes nothing, and is refused whenever an append would be.
-- KEYS  stream, seen now, seen before, seen before that, intake, then lease, wake, hold of each integration
-- ARGV  life of the seen set (s), life of a wake mark (ms), number of integrations, then digest, body of each event
-- Returns one character an event ('1' stored, '0' known already), then one an integration ('1' wake it, '0' no need).
local seen_s, wake_ms, integrations = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local results, stored, known = {}, 0, 0
for i = 4, #ARGV, 2 do
  local digest = ARGV[i]
  if redis.call('SISMEMBER', KEYS[3], digest) == 1
      or redis.call('SISMEMBER', KEYS[4], digest) == 1
      or redis.call('SADD', KEYS[2], digest) == 0 then
    known = known + 1
    results[#results + 1] = '0'
  else
    local added = redis.pcall('XADD', KEYS[1], '*', 'b', ARGV[i + 1])
    if type(added) == 'table' then
      -- not stored: it must not be known when the sender tries again
      redis.call('SREM', KEYS[2], digest)
      return added
    end
    stored = stored + 1
    results[#results + 1] = '1'
  end
end
if stored > 0 then
  if redis.call('TTL', KEYS[2]) < 0 then redis.call('EXPIRE', KEYS[2], seen_s) end
  redis.call('HINCRBY', KEYS[5], 'accepted', stored)
end
if known > 0 then redis.call('HINCRBY', KEYS[5], 'duplicates', known) end
local wakes = {}
for n = 0, integrations - 1 do
  local lease, wake, hold = KEYS[6 + n * 3], KEYS[7 + n * 3], KEYS[8 + n * 3]
  -- A holder looks again before it lets go, so a leased shard needs no wake-up; a held one must not get any.
  if stored > 0 and redis.call('EXISTS', lease, hold) == 0 and redis.call('SET', wake, '1', 'NX', 'PX', wake_ms) then
    wakes[#wakes + 1] = '1'
  else
    wakes[#wakes + 1] = '0'
  end
end
return table.concat(results) .. table.concat(wakes)
