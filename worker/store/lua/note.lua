#!lua flags=allow-oom
-- Put a note in front of a record, which keeps its newest ones.
-- KEYS  record
-- ARGV  note, how many are kept
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
return 1
