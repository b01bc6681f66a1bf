#!lua flags=allow-oom
-- Set a mark (of a hold, of a wake-up) even when memory is full: a full server must still be able to drain.
-- KEYS  mark
-- ARGV  its life (ms; 0: until it is deleted)
if ARGV[1] == '0' then return redis.call('SET', KEYS[1], '1') end
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
