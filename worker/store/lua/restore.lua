#!lua
-- Put a dead letter back that is not there. It counts as accepted anew (`base` goes back by one), so the books balance
-- whatever became of it before. Without `allow-oom`: a full server takes none.
-- KEYS  ledger, dead, dead by time, dead causes, the cause's letters
-- ARGV  id, cause, what the cause is, when it died (ms), record
-- Returns 1, or 0 when it is there.
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[5]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'dead', 1)
redis.call('HINCRBY', KEYS[1], 'base', -1)
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
redis.call('HSETNX', KEYS[4], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[5], ARGV[4], ARGV[1])
return 1
