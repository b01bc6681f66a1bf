#!lua flags=allow-oom
-- Note in which phase the letter is that a replay tries alone: after one more death, `replay_take` counts.
-- KEYS  lease, in hand
-- ARGV  token, phase ('mapping' | 'sending')
-- Returns 1, or 0 when the lease belongs to another holder (nothing is changed then).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'phase', ARGV[2])
return 1
