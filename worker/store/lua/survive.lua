#!lua flags=allow-oom
-- A holder lives that has let go of its lane without a release: take back the crash that was counted for it, or keep it
-- from being counted. May be repeated, and may come late.
-- KEYS  lease, flight or letters in hand
-- ARGV  token
-- Returns 1, or 0 when nothing is known of the holder (nothing is changed then).
local counted = redis.call('HGET', KEYS[2], 'gone:' .. ARGV[1])
if counted then
  redis.call('HDEL', KEYS[2], 'gone:' .. ARGV[1])
  local phase, entry = string.match(counted, '^%d+ (%S+) (.*)$')
  local deaths = tonumber(redis.call('HGET', KEYS[2], 'deaths') or 0)
  if deaths <= 1 then
    redis.call('HDEL', KEYS[2], 'deaths', 'until', 'caution', 'mapping', 'sending')
    return 1
  end
  redis.call('HINCRBY', KEYS[2], 'deaths', -1)
  if entry == redis.call('HGET', KEYS[2], 'alone') and tonumber(redis.call('HGET', KEYS[2], phase) or 0) > 0 then
    redis.call('HINCRBY', KEYS[2], phase, -1)
  end
  return 1
end
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[1] then return 0 end
-- Nobody has come since: the lane is let go of, as by a release.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
local kept = redis.call('HMGET', KEYS[2], 'until', 'stuck', 'caution')
if kept[1] or kept[2] or kept[3] then
  redis.call('HDEL', KEYS[2], 'token', 'step', 'phase')
else
  redis.call('DEL', KEYS[2])
end
return 1
