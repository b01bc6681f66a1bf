#!lua flags=allow-oom
-- Note that a process is alive, by this server's clock.
-- KEYS  processes
-- ARGV  process, what it is (JSON)
-- Returns the time (ms).
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return now
