#!lua flags=allow-oom
-- Take the lease of one integration on one shard and read what waits. May be repeated with the same token: a client
-- that lost the connection does not know whether it was heard.
-- KEYS  lease, wake, flight, stream, hold
-- ARGV  token, life of the lease (ms), group, most entries, '1' when the caller is a probe
-- Returns 'held' | 'busy' | {cursor, unexplained deaths, suspect entry and its trials, end of the caution, entries}
if ARGV[5] ~= '1' and redis.call('EXISTS', KEYS[5]) == 1 then return 'held' end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'busy'
end
redis.call('DEL', KEYS[2])
-- A flight that was never closed belongs to a holder that vanished: killed, out of memory, or stopped for too long.
local deaths = tonumber(redis.call('HGET', KEYS[3], 'deaths') or 0)
local former = redis.call('HGET', KEYS[3], 'token')
if former and former ~= ARGV[1] then deaths = redis.call('HINCRBY', KEYS[3], 'deaths', 1) end
redis.call('HSET', KEYS[3], 'token', ARGV[1])
redis.call('HDEL', KEYS[3], 'step')
local cursor = '0-0'
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[4])) do
  local fields = {}
  for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
  if fields['name'] == ARGV[3] then cursor = fields['last-delivered-id'] end
end
local entries = redis.call('XRANGE', KEYS[4], '(' .. cursor, '+', 'COUNT', ARGV[4])
local known = redis.call('HMGET', KEYS[3], 'suspect', 'until')
return {cursor, deaths, known[1] or '', known[2] or '', entries}
