#!lua
-- Replace the record of a dead letter that is still what the caller read.
-- KEYS  lease, in hand, dead
-- ARGV  id, record as it was read, record as it shall be
-- Returns '1' replaced, 'g' gone, 'h' a replay has it in hand, 'c' it has changed.
-- include prelude
local record = redis.call('HGET', KEYS[3], ARGV[1])
if not record then return 'g' end
if record == ARGV[3] then return '1' end
if in_hand(KEYS[1], KEYS[2], ARGV[1]) then return 'h' end
if record ~= ARGV[2] then return 'c' end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
return '1'
