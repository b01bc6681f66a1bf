#!lua flags=allow-oom
-- Take a turn at periodic work, by this server's clock, unless somebody else just did.
-- KEYS  turns
-- ARGV  turn, least time since it was taken last (ms), another turn ('' for none) that must not have been taken for, ms
-- Returns 1, or 0 when it is not due.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function since(turn) return now - tonumber(redis.call('HGET', KEYS[1], turn) or 0) end
if since(ARGV[1]) < tonumber(ARGV[2]) then return 0 end
if ARGV[3] ~= '' and since(ARGV[3]) < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now))
return 1
