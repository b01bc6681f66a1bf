#!lua flags=allow-oom
-- Note, once, the last entry of a stream as that up to which new shards wait for it.
-- KEYS  layout, stream
-- ARGV  source
-- Returns the entry that is noted.
-- include prelude
local field = 'barrier:' .. ARGV[1]
local noted = redis.call('HGET', KEYS[1], field)
if noted then return noted end
local last = '0-0'
if redis.call('EXISTS', KEYS[2]) == 1 then
  last = fields_of(redis.call('XINFO', 'STREAM', KEYS[2]))['last-generated-id']
end
redis.call('HSET', KEYS[1], field, last)
return last
