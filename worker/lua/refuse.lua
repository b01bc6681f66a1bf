#!lua flags=allow-oom
-- Count that the destination, which was not held, failed at what waits behind the cursor.
-- KEYS  lease, flight
-- ARGV  token, cursor
-- Returns how often it has failed there since the cursor last moved; 0 when the lease belongs to another holder.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'stuck') ~= ARGV[2] then
  redis.call('HSET', KEYS[2], 'stuck', ARGV[2], 'refusals', 0)
end
return redis.call('HINCRBY', KEYS[2], 'refusals', 1)
