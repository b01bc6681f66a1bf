#!lua flags=allow-oom
-- Tell a shard the layout in force: from then on it refuses what is stored by a former one.
-- KEYS  layout
-- ARGV  epoch, '1' when the lanes of this shard are closed until they are opened one by one
-- Returns 1, or 0 when it knew it.
if tonumber(redis.call('HGET', KEYS[1], 'epoch') or 1) >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'closed', '1') end
return 1
