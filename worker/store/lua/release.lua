#!lua flags=allow-oom
-- Release a lease, unless something still waits behind the cursor and the caller asked to know. May be repeated.
-- KEYS  lease, flight, stream, wake
-- ARGV  token, cursor, '1' to keep the lease when events wait, life of a wake mark (ms; 0: the caller sends no message)
-- Returns 'lost' | 'more' (kept, or released with the wake mark set for the caller's message) | 'empty'
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  -- The first answer was lost: the message that the mark promises is still the caller's to send.
  if redis.call('GET', KEYS[4]) == ARGV[1] then return 'more' end
  return 'lost'
end
local waits = #redis.call('XRANGE', KEYS[3], '(' .. ARGV[2], '+', 'COUNT', 1) > 0
if waits and ARGV[3] == '1' then return 'more' end
redis.call('DEL', KEYS[1])
-- While what killed earlier holders, or what the destination fails at, is not passed, it must outlive this clean stop.
if redis.call('HEXISTS', KEYS[2], 'until') == 1 or redis.call('HEXISTS', KEYS[2], 'stuck') == 1 then
  redis.call('HDEL', KEYS[2], 'token', 'step', 'phase')
else
  redis.call('DEL', KEYS[2])
end
if not waits then return 'empty' end
if ARGV[4] ~= '0' then redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[4]) end
return 'more'
