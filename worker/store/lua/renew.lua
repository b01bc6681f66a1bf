#!lua flags=allow-oom
-- Prolong a lease that is still the caller's.
-- KEYS  lease
-- ARGV  token, life of the lease (ms)
-- Returns 1, or 0 when it is not.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
