#!lua flags=allow-oom
-- Count that the destination, which was not held, failed at a request.
-- KEYS  lease, flight
-- ARGV  token, last entry of the request
-- Returns how often it has failed, since the cursor was past the end of the first such request (`settle` forgets then);
-- 0 when the lease belongs to another holder.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSETNX', KEYS[2], 'stuck', ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'refusals', 1)
