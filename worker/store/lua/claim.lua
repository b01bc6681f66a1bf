#!lua flags=allow-oom
-- Claim the probe of a held integration, when it is due and nobody else has.
-- KEYS  hold
-- ARGV  now (ms), how far the next one is put off (ms), longest wait (ms)
-- Returns 1 when the probe is the caller's.
local due = tonumber(redis.call('HGET', KEYS[1], 'next') or 0)
if due == 0 then return 0 end -- not held, or only an operator resumes
local now, longest = tonumber(ARGV[1]), math.max(tonumber(ARGV[2]), tonumber(ARGV[3]))
-- A longer wait than possible: a clock was wrong when it was written, or is now.
if due > now and due - now <= longest then return 0 end
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + tonumber(ARGV[2])))
return 1
