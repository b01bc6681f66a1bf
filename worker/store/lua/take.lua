#!lua flags=allow-oom
-- Take the lease of one integration on one shard and read what waits. May be repeated with the same token: a client
-- that lost the connection does not know whether the script ran.
-- KEYS  lease, wake, flight, stream, hold, layout
-- ARGV  token, life of the lease (ms), group, most entries, '1' when the caller is a probe,
--       then most entries after one, two, … unexplained deaths
-- Returns 'held' | 'busy' | {cursor, unexplained deaths, end of the caution, entry tried alone, its deaths while it was mapped,
--         and while it was sent, entries, {token, phase, since when (ms), …} of crashes at it}; an error, with nothing changed, when the stream or the group is missing.
-- include prelude
if ARGV[5] ~= '1' and redis.call('EXISTS', KEYS[5]) == 1 then
  redis.call('DEL', KEYS[2]) -- the message has arrived: its mark must not suppress a later event's wake-up
  return 'held'
end
-- A new shard's people are served when what was stored of them before is delivered.
local closed, opened = unpack(redis.call('HMGET', KEYS[6], 'closed', 'open:' .. ARGV[3]))
if closed and not opened then
  redis.call('DEL', KEYS[2])
  return 'held'
end
local cursor = cursor_of(KEYS[4], ARGV[3])
if not cursor then return redis.error_reply('NOGROUP the stream has no such group') end
-- Also where the lane is busy: its holder looks again by itself, and a mark that was set while it was at work (a sweep
-- marks what it saw a moment before) would keep later events waiting for seconds.
redis.call('DEL', KEYS[2])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 'busy'
end
-- A flight that was never closed belongs to a holder that vanished: killed, out of memory, or stopped for too long. Who
-- lives takes the crash back (`survive`).
local former, phase, at = unpack(redis.call('HMGET', KEYS[3], 'token', 'phase', 'alone'))
if former and former ~= ARGV[1] then count_crash(KEYS[3], former, phase, at) end
redis.call('HSET', KEYS[3], 'token', ARGV[1])
redis.call('HDEL', KEYS[3], 'step', 'phase')
local entries = redis.call('XRANGE', KEYS[4], '(' .. cursor, '+', 'COUNT', ARGV[4])
local deaths = tonumber(redis.call('HGET', KEYS[3], 'deaths') or 0)
if deaths > 0 and #entries > 0 then
  -- Caution lasts until everything that may have killed them is passed, and begins with the reading itself.
  redis.call('HSETNX', KEYS[3], 'until', entries[#entries][1])
  local most = tonumber(ARGV[5 + math.min(deaths, #ARGV - 5)])
  for n = #entries, most + 1, -1 do entries[n] = nil end
end
local known = redis.call('HMGET', KEYS[3], 'until', 'alone', 'mapping', 'sending')
local vanished = deaths > 0 and known[2] and vanished_at(KEYS[3], known[2]) or {}
return {cursor, deaths, known[1] or '', known[2] or '', tonumber(known[3] or 0), tonumber(known[4] or 0), entries, vanished}
