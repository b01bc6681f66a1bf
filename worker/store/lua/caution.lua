#!lua flags=allow-oom
-- Note which event is tried alone, and in which phase, before it is tried: after one more death, `take` counts.
-- KEYS  lease, flight
-- ARGV  token, entry, phase ('mapping' | 'sending')
-- Returns 1, or 0 when the lease belongs to another holder (nothing is changed then).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'alone') ~= ARGV[2] then
  redis.call('HDEL', KEYS[2], 'mapping', 'sending')
end
redis.call('HSET', KEYS[2], 'alone', ARGV[2], 'phase', ARGV[3])
return 1
